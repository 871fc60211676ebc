import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseInstruction } from '../../../src/build/dockerfile/parse.js'
import { titleOf } from '../../../src/build/graph/title.js'

const env = new Map([
  ['A', 'one'],
  ['B', 'two words'],
])

const cases: [line: string, title: string][] = [
  ['run --mount=type=cache,target=/c make', 'RUN --mount=type=cache,target=/c make'],
  ['RUN echo "$A" \'$A\' $NONE ${B}', 'RUN echo "one" \'$A\' $NONE two words'],
  ["RUN echo it's unclosed $A", "RUN echo it's unclosed $A"],
  ['RUN ["a", "$A"]', 'RUN ["a", "one"]'],
  ['RUN <<EOF\n#!/bin/x\nmore\nEOF', 'RUN <<EOF (#!/bin/x...)'],
  ['RUN <<EOF\nonly\nEOF', 'RUN <<EOF (only)'],
  ['RUN cat <<a <<b\nx\na\ny\nb', 'RUN cat <<a <<b'],
  ['copy --from=x --chmod=0755 $A/f $NONE/d', 'COPY --from=x --chmod=0755 one/f /d'],
  ['ADD https://user:secret@example.com/a /', 'ADD https://user:xxxxx@example.com/a /'],
  ['WORKDIR ${A}', 'WORKDIR one'],
]

for (const [line, title] of cases) {
  test(`titleOf(${JSON.stringify(line)})`, () => {
    assert.equal(
      titleOf(parseInstruction(line), (k) => env.get(k), {}),
      title,
    )
  })
}

test('titleOf() says that a base image asks for the step', () => {
  assert.equal(
    titleOf({ ...parseInstruction('RUN x'), onbuild: true }, () => undefined, {}),
    'ONBUILD RUN x',
  )
})
