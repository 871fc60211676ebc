import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LintContext } from '../../../src/build/dockerfile/checks/lint.js'
import { type Outline, outline } from '../../../src/build/dockerfile/checks/outline.js'
import { parseDockerfile } from '../../../src/build/dockerfile/parse.js'

const AMD64 = { os: 'linux', architecture: 'amd64' }

/** `name=value description @line`, and for mounts `name required @line`. */
function short(o: Outline): Record<string, unknown> {
  const mounts = (list: Outline['ssh']) =>
    list.map((m) => `${m.name}${m.required ? ' required' : ''} @${m.location.line}`)
  return {
    name: o.name,
    description: o.description,
    args: o.args.map((a) => `${a.name}=${a.value}${a.description && ` ${a.description}`} @${a.location.line}`),
    secrets: mounts(o.secrets),
    ssh: mounts(o.ssh),
  }
}

interface Case {
  name: string
  text: string
  context?: Partial<LintContext>
  expected: Partial<ReturnType<typeof short>>
}

const cases: Case[] = [
  { name: 'nothing', text: 'FROM scratch\n', expected: {} },
  {
    name: 'the name and description of the target',
    text: 'FROM scratch AS a\n# b is the one\nFROM scratch AS b\n',
    expected: { name: 'b', description: 'is the one' },
  },
  {
    name: 'arguments above FROM that are used, with those that their defaults use',
    text: 'ARG TAG=1\n# BASE to stand on\nARG BASE=app:$TAG\nARG OTHER=x\nFROM $BASE\n',
    expected: { args: ['TAG=1 @1', 'BASE=app:1 to stand on @3'] },
  },
  {
    name: 'an argument that the build sets, whose default then uses nothing',
    text: 'ARG TAG=1\nARG BASE=app:$TAG\nFROM $BASE\n',
    context: { buildArgs: { BASE: 'other' } },
    expected: { args: ['BASE=other @2'] },
  },
  {
    name: 'arguments of stages: with a default, without, passed on from above, predefined',
    text: 'ARG UP=1\nFROM scratch\nARG UP\nARG TARGETARCH\nARG A=x$UP\nARG B\nARG HTTP_PROXY\n',
    expected: { args: ['UP=1 @1', 'A=x1 @5', 'B= @6', 'HTTP_PROXY= @7'] },
  },
  {
    name: 'stages that the target needs and no others, the nearest declaration of a name',
    text: 'FROM scratch AS base\nARG A=base\nFROM scratch AS dep\nARG D=1\nARG A=dep\nFROM scratch AS no\nARG N\nFROM base\nCOPY --from=dep /x /\nARG T=1\n',
    expected: { args: ['A=base @2', 'D=1 @4', 'T=1 @10'] },
  },
  {
    name: 'another target',
    text: 'FROM scratch AS a\nARG A=1\nFROM scratch\nARG B=1\n',
    context: { target: 'a' },
    expected: { name: 'a', args: ['A=1 @2'] },
  },
  {
    name: 'secrets and agents, each once',
    text: 'FROM scratch AS dep\nRUN --mount=type=secret,id=s --mount=type=ssh x\nARG ID=late\nRUN --mount=type=secret,target=/etc/key,required x\nFROM scratch\nRUN --mount=type=bind,from=dep,target=/d --mount=type=ssh,id=git,required x\nRUN --mount=type=secret,id=s,required --mount=type=ssh,id=git x\nARG ID=late\nRUN --mount=type=secret,id=$ID x\n',
    expected: {
      args: ['ID=late @8'],
      secrets: ['key required @4', 's required @7', 'late @9'],
      ssh: ['default @2', 'git required @6'],
    },
  },
]

for (const { name, text, context, expected } of cases)
  test(`outline() of ${name}`, () => {
    const result = outline(parseDockerfile(text, { file: 'Dockerfile' }), { platform: AMD64, ...context })
    assert.deepEqual(short(result), { name: '', description: '', args: [], secrets: [], ssh: [], ...expected })
  })

test('outline() of a target that is not there is an error', () => {
  const file = parseDockerfile('FROM scratch AS app\n', { file: 'Dockerfile' })
  assert.throws(() => outline(file, { platform: AMD64, target: 'ap' }), /target stage "ap" could not be found/)
})
