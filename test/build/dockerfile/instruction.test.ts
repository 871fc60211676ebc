import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TsboxError } from '../../../src/base/error.js'
import { expandInstruction } from '../../../src/build/dockerfile/expand-instruction.js'
import type { StageInstruction } from '../../../src/build/dockerfile/instruction.js'
import { answerOp } from '../../../src/build/dockerfile/ops-protocol.js'
import { parseDockerfile, parseInstruction } from '../../../src/build/dockerfile/parse.js'

const ENV: Record<string, string> = { A: 'a', P: '80 443/udp', D: '/d', T: 'cache', M: 'u+x' }
const lookup = (name: string) => ENV[name]

/** The only instruction of a one-instruction stage, expanded. */
function expanded(line: string): StageInstruction {
  const file = parseDockerfile(`FROM scratch\n${line}\n`, { file: 'Dockerfile' })
  return expandInstruction(file.stages[0]!.instructions[0]!, lookup)
}

const cases: [line: string, fields: object][] = [
  [
    'ENV $A=$A "b c"=\'$A\'',
    {
      pairs: [
        { key: 'a', value: 'a', delimited: true },
        { key: 'b c', value: '$A', delimited: true },
      ],
    },
  ],
  ['LABEL x=${A}y', { pairs: [{ key: 'x', value: 'ay', delimited: true }] }],
  ['WORKDIR $D/"x y"', { path: '/d/x y' }],
  ['USER $A:$A', { user: 'a:a' }],
  ['VOLUME $D /e', { volumes: ['/d', '/e'] }],
  ['EXPOSE 53 $P', { ports: ['80', '443/udp', '53'] }],
  ['STOPSIGNAL SIG$A', { signal: 'SIGa' }],
  [
    'COPY --chown=$A --chmod=$M --exclude=$A $A x$A $D',
    { chown: 'a', chmod: 'u+x', exclude: ['$A'], sources: ['a', 'xa'], dest: '/d' },
  ],
  ['ADD --checksum=sha256:$A $A $D', { checksum: 'sha256:a', sources: ['a'], dest: '/d' }],
  [
    'COPY <<f <<"g" $D/\n$A "q" \\$A \\\\ x\\ny\nf\n$A\ng',
    {
      inline: [
        { path: 'f', data: 'a "q" $A \\ xny\n', expand: true },
        { path: 'g', data: '$A\n', expand: false },
      ],
      dest: '/d/',
    },
  ],
  ['RUN echo $A', { command: { json: false, text: 'echo $A' } }],
  ['CMD echo $A', { command: { json: false, text: 'echo $A' } }],
  ['HEALTHCHECK CMD $A', { test: ['CMD-SHELL', '$A'] }],
  ['ARG x=$A', { args: [{ key: 'x', value: '$A', doc: '' }] }],
  ['ONBUILD COPY $A $A', { expression: 'COPY $A $A' }],
]
for (const [line, fields] of cases)
  test(`expandInstruction() of ${line.split('\n')[0]}`, () => {
    const instruction = expanded(line) as unknown as Record<string, unknown>
    for (const [key, value] of Object.entries(fields)) assert.deepEqual(instruction[key], value, key)
  })

test('expandInstruction() reads mounts', () => {
  const run = expanded('RUN --mount=type=$T,target=$D/c true')
  assert.ok(run.type === 'run')
  assert.deepEqual([run.mounts[0]!.type, run.mounts[0]!.target, run.mounts[0]!.readOnly], ['cache', '/d/c', false])
})

test('expandInstruction() tells of each word', () => {
  const file = parseDockerfile('FROM scratch\nCOPY $A $GONE /x\n', { file: 'Dockerfile' })
  const gone: string[] = []
  expandInstruction(file.stages[0]!.instructions[0]!, lookup, { onWord: (w) => gone.push(...w.unmatched) })
  assert.deepEqual(gone, ['GONE'])
})

test('expandInstruction() uses the escape character of the file, but not in inline files', () => {
  const file = parseDockerfile('# escape=`\nFROM scratch\nWORKDIR `$A\nCOPY <<f /x\n\\$A `$A\nf\n', {
    file: 'Dockerfile',
  })
  const [workdir, copy] = file.stages[0]!.instructions.map((i) => expandInstruction(i, lookup, { escape: file.escape }))
  assert.ok(workdir?.type === 'workdir' && copy?.type === 'copy')
  assert.equal(workdir.path, '$A')
  assert.equal(copy.inline[0]!.data, '$A `a\n')
})

test('parseInstruction() reads triggers, here-documents included', () => {
  const run = parseInstruction('RUN <<EOF\necho\nEOF')
  assert.ok(run.type === 'run')
  assert.equal(run.heredocs[0]!.content, 'echo\n')
  const copy = parseInstruction('COPY --from=x a b')
  assert.ok(copy.type === 'copy')
  assert.equal(copy.from, 'x')
})

test('parseInstruction() refuses a trigger without saying a place in a file', () => {
  for (const text of ['RUN a\nRUN b', 'FROM x', 'NOPE', 'RUN <<EOF', ''])
    assert.throws(
      () => parseInstruction(text),
      (err: unknown) => err instanceof TsboxError && err.code === 'E_DOCKERFILE' && err.location === undefined,
    )
})

test('the answers of dockerfile ops say what went wrong', () => {
  assert.deepEqual(answerOp({ id: '1', op: 'expand', word: '${A', env: ['A=1'] }), {
    id: '1',
    ok: false,
    error: 'failed to process "${A": syntax error: missing \'}\'',
  })
  assert.deepEqual(answerOp({ id: '2', op: 'match', patterns: ['a'], path: 'a/b' }), {
    id: '2',
    ok: true,
    result: true,
  })
  assert.equal(answerOp({ id: '3', op: 'nope' }).ok, false)
  const parsed = answerOp({ id: '4', op: 'parse', text: 'FROM a AS b\nBAD\n' })
  assert.deepEqual([parsed.ok, parsed.sexp, parsed.instructions_ok], [true, '(from "a" "AS" "b")\n(bad "")', false])
})
