import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseCall } from '../../src/cli/commands/build-call.js'
import type { DockerfileRequest } from '../../src/engine/api.js'
import { openEngine } from '../../src/engine/open.js'
import { type Outcome, runCli } from './recorder.js'

const dir = mkdtempSync(join(tmpdir(), 'tsbox-call-'))
const root = join(dir, 'store')
const engine = openEngine({ root, env: {} })
after(async () => {
  await (await engine).close()
  rmSync(dir, { recursive: true })
})
mkdirSync(join(dir, 'ctx'))

const CHECKED = 'FROM scratch as x\nENV a 1\nRUN \\\n  echo $a\nMAINTAINER me\n'
const OUTLINED = `ARG TAG=1
FROM app:$TAG AS base
# VERSION of the thing
ARG VERSION=2
RUN --mount=type=secret,id=k,required --mount=type=ssh x
# app is what runs
FROM base AS app
ARG EMPTY
FROM scratch
`

/** Runs `tsbox build ARGS ctx` with a real engine for questions and none for builds. */
async function call(args: readonly string[], dockerfile: string, stdin?: string): Promise<Outcome> {
  writeFileSync(join(dir, 'ctx/Dockerfile'), dockerfile)
  const argv = ['build', ...args, stdin === undefined ? 'ctx' : '-']
  return await runCli(
    argv,
    { dockerfile: (await engine).dockerfile },
    { cwd: dir, ...(stdin === undefined ? {} : { stdin }) },
  )
}

const texts: [args: string[], dockerfile: string, status: number, stdout: string][] = [
  [
    ['--check'],
    CHECKED,
    1,
    `Check complete, 3 warnings have been found!

WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/
'as' and 'FROM' keywords' casing do not match
Dockerfile:1
--------------------
   1 | >>> FROM scratch as x
   2 |     ENV a 1
   3 |     RUN \\
--------------------

WARNING: LegacyKeyValueFormat - https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/
"ENV key=value" should be used instead of legacy "ENV key value" format
Dockerfile:2
--------------------
   1 |     FROM scratch as x
   2 | >>> ENV a 1
   3 |     RUN \\
   4 |       echo $a
--------------------

WARNING: MaintainerDeprecated - https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/
Maintainer instruction is deprecated in favor of using label
Dockerfile:5
--------------------
   3 |     RUN \\
   4 |       echo $a
   5 | >>> MAINTAINER me
   6 |${'     '}
--------------------
`,
  ],
  [['--call=check'], 'FROM scratch\n', 0, 'Check complete, no warnings found.\n'],
  [
    ['--call=check,ignorestatus=true'],
    'FROM scratch\nENV \\\n a b\n',
    0,
    `Check complete, 1 warning has been found!

WARNING: LegacyKeyValueFormat - https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/
"ENV key=value" should be used instead of legacy "ENV key value" format
Dockerfile:2
--------------------
   1 |     FROM scratch
   2 | >>> ENV \\
   3 | >>>  a b
   4 |${'     '}
--------------------
`,
  ],
  [
    ['--check', '--build-arg', 'BUILDKIT_DOCKERFILE_CHECK=skip=all'],
    CHECKED,
    0,
    'Check complete, no warnings found.\n',
  ],
  [
    ['--check', '--target=b'],
    'FROM scratch AS a\nENV a 1\nFROM scratch AS b\n',
    0,
    'Check complete, no warnings found.\n',
  ],
  [
    ['--call=outline', '--target', 'app'],
    OUTLINED,
    0,
    `TARGET:      app
DESCRIPTION: is what runs

BUILD ARG   VALUE   DESCRIPTION
TAG         1
VERSION     2       of the thing
EMPTY

SECRET   REQUIRED
k        true

SSH       REQUIRED
default

`,
  ],
  [['--call=outline'], 'FROM scratch\n', 0, ''],
  [
    ['--call=targets'],
    `${OUTLINED}FROM scratch AS last\n`,
    0,
    'TARGET         DESCRIPTION\nbase\napp            is what runs\n\nlast (default)\n',
  ],
  [['--call=targets'], 'FROM scratch\n', 0, 'TARGET    DESCRIPTION\n(default)\n'],
]

for (const [args, dockerfile, status, stdout] of texts)
  test(`tsbox build ${args.join(' ')} of ${JSON.stringify(dockerfile.slice(0, 40))} prints what buildx does`, async () => {
    const outcome = await call(args, dockerfile)
    assert.equal(outcome.stdout, stdout)
    assert.equal(outcome.stderr, '')
    assert.equal(outcome.status, status)
    assert.ok(!outcome.calls.some((c) => c.method === 'build'))
  })

const at = (line: number, end = line) => ({ ranges: [{ start: { line }, end: { line: end } }] })
const base64 = (text: string) => Buffer.from(text).toString('base64')
const sources = (text: string) => [{ filename: 'Dockerfile', data: base64(text), language: 'Dockerfile' }]

const jsons: [args: string[], dockerfile: string, status: number, stdout: unknown][] = [
  [
    ['--call=check,format=json'],
    'FROM scratch\nENV a 1\n',
    1,
    {
      warnings: [
        {
          ruleName: 'LegacyKeyValueFormat',
          description: 'Legacy key/value format with whitespace separator should not be used',
          url: 'https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/',
          detail: '"ENV key=value" should be used instead of legacy "ENV key value" format',
          location: at(2),
        },
      ],
      sources: sources('FROM scratch\nENV a 1\n'),
    },
  ],
  [['--check', '--call=lint,format=json'], 'FROM scratch\n', 0, { warnings: [], sources: sources('FROM scratch\n') }],
  [
    ['--call=outline,format=json', '--target=app'],
    OUTLINED,
    0,
    {
      name: 'app',
      description: 'is what runs',
      args: [
        { name: 'TAG', value: '1', location: at(1) },
        { name: 'VERSION', description: 'of the thing', value: '2', location: at(4) },
        { name: 'EMPTY', location: at(8) },
      ],
      secrets: [{ name: 'k', required: true, location: at(5) }],
      ssh: [{ name: 'default', location: at(5) }],
      sources: [base64(OUTLINED)],
    },
  ],
  [
    ['--call', 'format=json,targets'],
    'FROM --platform=$BUILDPLATFORM a:$B AS x\nFROM scratch\n',
    0,
    {
      targets: [
        { name: 'x', base: 'a:$B', platform: '$BUILDPLATFORM', location: at(1) },
        { default: true, base: 'scratch', location: at(2) },
      ],
      sources: [base64('FROM --platform=$BUILDPLATFORM a:$B AS x\nFROM scratch\n')],
    },
  ],
]

for (const [args, dockerfile, status, stdout] of jsons)
  test(`tsbox build ${args.join(' ')} has the shape of buildx`, async () => {
    const outcome = await call(args, dockerfile)
    assert.deepEqual(JSON.parse(outcome.stdout), stdout)
    assert.equal(outcome.status, status)
  })

test('a check fails with what would fail the build, after the warnings', async () => {
  const error = await call(['--check'], '# check=error=true\nFROM scratch\nENV a 1\n')
  assert.match(error.stdout, /^Check complete, 1 warning has been found!\n\nWARNING: LegacyKeyValueFormat[\s\S]*-\n\n$/)
  assert.match(error.stderr, /^ERROR: lint violation found for rules: LegacyKeyValueFormat\n/)
  assert.equal(error.status, 1)
  const bad = await call(['--check'], 'FROM scratch\nBAD x\n')
  assert.equal(bad.stdout, '')
  assert.match(bad.stderr, /Dockerfile:2\n[\s\S]*ERROR: .*unknown instruction: BAD/)
  assert.equal(bad.status, 1)
  const json = await call(['--call=check,format=json'], 'FROM scratch\nBAD x\n')
  const { buildError } = JSON.parse(json.stdout)
  assert.match(buildError.message, /unknown instruction: BAD/)
  assert.deepEqual(buildError.location, at(2))
  assert.equal(json.status, 1)
})

test('an outline of a Dockerfile that is none is an error', async () => {
  const { status, stdout, stderr } = await call(['--call=outline'], 'FROM scratch\nBAD x\n')
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /unknown instruction: BAD/)
})

test('a call is given what decides what the Dockerfile says', async () => {
  let asked: DockerfileRequest | undefined
  const check = async (request: DockerfileRequest) => {
    asked = request
    return { source: { file: 'D', text: '' }, warnings: [], error: undefined }
  }
  const argv = ['build', '--check', '--build-arg', 'A=1', '--target=t', '--platform=linux/arm64', '-f', 'x', 'ctx']
  await runCli(argv, { dockerfile: { check } }, { cwd: dir })
  const { context, file, buildArgs, target, platform } = asked!
  assert.deepEqual(
    { context, file, buildArgs, target, platform },
    { context: join(dir, 'ctx'), file: join(dir, 'x'), buildArgs: { A: '1' }, target: 't', platform: 'linux/arm64' },
  )
})

test('a base image that is not in the store may set any variable, and the store stays unmade', async () => {
  const outcome = await call(['--check'], 'FROM golang\nENV PATH=$GOPATH/bin:$PATH\n')
  assert.equal(outcome.stdout, 'Check complete, no warnings found.\n')
  assert.ok(!existsSync(join(root, 'images')))
})

test('--metadata-file has the result of a call', async () => {
  await call(['--call=targets', '--metadata-file=meta'], 'FROM scratch AS x\n')
  const metadata = JSON.parse(readFileSync(join(dir, 'meta'), 'utf8'))
  assert.equal(metadata['result.json'].targets[0].name, 'x')
  assert.equal(metadata['result.txt'], 'TARGET      DESCRIPTION\nx (default)\n')
})

const refused: [text: string | undefined, check: boolean, message: RegExp][] = [
  ['nonsense', false, /must be one of build, check, outline, targets/],
  ['outline,format=xml', false, /"format=xml" is not format=json/],
  ['outline,colour=red', false, /"colour=red" is not/],
  ['outline,targets', false, /"targets" is not/],
  ['format=json', false, /a method must be given/],
  ['build,format=json', false, /a build has no format/],
  ['outline', true, /--check is --call=check/],
]

for (const [text, check, message] of refused)
  test(`--call=${text}${check ? ' --check' : ''} is refused`, () => {
    assert.throws(() => parseCall(text, check), message)
  })

test('--call=build is a build', () => {
  assert.equal(parseCall('build', false), undefined)
  assert.equal(parseCall(undefined, false), undefined)
  assert.deepEqual(parseCall('build', true), { method: 'check', json: false, ignoreStatus: false })
})

test('--iidfile and --check do not go together', async () => {
  const { status, stderr } = await call(['--check', '--iidfile=x'], 'FROM scratch\n')
  assert.equal(status, 125)
  assert.match(stderr, /cannot honour --iidfile: check makes no image/)
})
