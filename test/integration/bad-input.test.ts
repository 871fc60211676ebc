/**
 * Everything that a user can get wrong: one clear error, where it is, what mends it, docker's exit status, and nothing
 * left behind.
 */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { type ContextFile, makeBase, type Ran, requireBox, sharedCli, skip, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

/** What must be said: exactly one error, its place, its hint. */
interface Expected {
  code: number
  message: RegExp
  /** Line of the Dockerfile that is shown with `>>>`. */
  line?: number
  hint?: RegExp
}

function assertFailed(ran: Ran, expected: Expected): void {
  const all = ran.stdout + ran.stderr
  assert.equal(ran.code, expected.code, all)
  assert.match(ran.stderr, expected.message)
  assert.doesNotMatch(all, /BUG|^ +at .*:\d+:\d+\)?$/m, 'no stack')
  const errors = ran.stderr.match(/^(ERROR: |tsbox: )/gm) ?? []
  assert.equal(errors.length, 1, `one error, not ${errors.length}:\n${all}`)
  if (expected.line !== undefined) {
    assert.match(ran.stderr, new RegExp(`^Dockerfile:${expected.line}$`, 'm'))
    assert.match(ran.stderr, new RegExp(`^ *${expected.line} \\| >>> `, 'm'))
  }
  if (expected.hint) {
    // A wrong command line has its hint below the message, everything else behind `hint:`.
    const hint = /^(?:hint|tsbox): .*(?:\n.*)?$/gm
    assert.match((ran.stderr.match(hint) ?? []).join('\n'), expected.hint)
  }
}

/** Runs with an unchanged store before and after. */
function assertNothingLeft(run: () => Ran, expected: Expected): void {
  const images = cli.images()
  const containers = cli.names('containers')
  const ran = run()
  assertFailed(ran, expected)
  assert.deepEqual(cli.images(), images, 'no image more, none less')
  assert.deepEqual(cli.names('containers'), containers, 'no container more')
  assert.deepEqual(cli.leftovers(), [])
}

interface BuildCase extends Expected {
  dockerfile: string
  args?: string[]
  files?: Record<string, ContextFile>
  env?: Record<string, string>
  /** Needs a step to run. */
  runs?: boolean
}

const missing = { code: 1, hint: /inside the build context/ }
const noImage = { code: 1, hint: /tsbox images/ }
const blank = { code: 1, message: /base name \(\$\{?X\}?\) should not be blank/, hint: /--build-arg/ }

const builds: Record<string, BuildCase> = {
  'an unknown instruction': {
    dockerfile: 'FROM base\nRUNN make\n',
    code: 1,
    line: 2,
    message: /unknown instruction: RUNN \(did you mean RUN\?\)/,
    hint: /RUN/,
  },
  'an unknown instruction that is near to none': {
    dockerfile: 'FROM base\nXYZZY\n',
    code: 1,
    line: 2,
    message: /unknown instruction: XYZZY$/m,
  },
  'an unknown flag of an instruction': {
    dockerfile: 'FROM base\nCOPY --form=base /a /b\n',
    code: 1,
    line: 2,
    message: /unknown flag: --form \(did you mean from\?\)/,
    hint: /--from/,
  },
  'an unterminated heredoc': {
    dockerfile: 'FROM base\nRUN <<END\necho hello\n',
    code: 1,
    line: 2,
    message: /unterminated heredoc/,
    hint: /"END"/,
  },
  'a source outside the context': {
    dockerfile: 'FROM base\nCOPY ../x /x\n',
    ...missing,
    line: 2,
    message: /no such file or directory "\/x"/,
  },
  'a missing file': {
    dockerfile: 'FROM base\nCOPY present missing /d/\n',
    files: { present: '' },
    ...missing,
    line: 2,
    message: /no such file or directory "\/missing"/,
  },
  'a file that .dockerignore leaves out': {
    dockerfile: 'FROM base\nCOPY secret /s\n',
    files: { secret: '', '.dockerignore': 'secret\n' },
    code: 1,
    line: 2,
    message: /no such file or directory "\/secret"/,
    hint: /\.dockerignore/,
  },
  'a user that the image does not know': {
    dockerfile: 'FROM base\nUSER nobody-here\nRUN id\n',
    code: 1,
    line: 3,
    message: /unable to find user nobody-here/,
    runs: true,
  },
  'a missing stage of --target': {
    dockerfile: 'FROM base AS one\n',
    args: ['--target', 'two'],
    code: 1,
    message: /target stage "two" could not be found/,
  },
  'a missing stage of COPY --from': {
    dockerfile: 'FROM base\nCOPY --from=builder /a /b\n',
    ...noImage,
    line: 2,
    message: /no such image: builder, and no stage has that name/,
  },
  'a stage that is its own base': {
    dockerfile: 'FROM me AS me\n',
    code: 1,
    line: 1,
    message: /can't be its own base "me"/,
    hint: /another name/,
  },
  'a stage that stands on a later one': {
    dockerfile: 'FROM later AS first\nFROM base AS later\nCOPY --from=first /a /b\n',
    code: 1,
    line: 1,
    message: /stage "later" is defined later, in line 2/,
    hint: /above/,
  },
  'a stage that copies from itself': {
    dockerfile: 'FROM base AS me\nCOPY --from=me /a /b\n',
    code: 1,
    message: /circular dependency detected on stage: me/,
    hint: /takes files from itself/,
  },
  'a stage that copies from a later one': {
    dockerfile: 'FROM base AS first\nCOPY --from=last /a /b\nFROM first AS last\n',
    code: 1,
    message: /circular dependency detected on stage: /,
  },
  'a base image that is not there': {
    dockerfile: 'FROM nowhere:1.2\n',
    ...noImage,
    line: 1,
    message: /no such image: nowhere:1\.2/,
  },
  'an ARG before FROM without a value': { dockerfile: 'ARG X\nFROM $X\n', ...blank, line: 2 },
  'an ARG that no FROM can see': { dockerfile: 'FROM base\nARG X=base\nFROM ${X}\n', ...blank, line: 3 },
  'a name that is not in lower case': {
    dockerfile: 'FROM Base\n',
    code: 1,
    line: 1,
    message: /lowercase|lower case/i,
  },
  'an empty Dockerfile': { dockerfile: '', code: 1, message: /Dockerfile cannot be empty/ },
  'a Dockerfile without FROM': {
    dockerfile: 'RUN true\n',
    code: 1,
    line: 1,
    message: /no build stage in current context/,
  },
  'a secret that is required and not given': {
    dockerfile: 'FROM base\nRUN --mount=type=secret,id=key,required true\n',
    code: 1,
    line: 2,
    message: /secret.*"key"/,
    hint: /--secret id=key/,
    runs: true,
  },
  'a step that fails': {
    dockerfile: 'FROM base\nRUN echo before && \\\n  exit 42\nRUN echo never\n',
    code: 1,
    line: 2,
    message: /process "\/bin\/sh -c echo before && +exit 42" did not complete successfully: exit code: 42/,
    runs: true,
  },
  'a step whose program is not there': {
    dockerfile: 'FROM base\nRUN ["/no/such", "x"]\n',
    code: 1,
    line: 2,
    message: /process "\/no\/such x" did not complete successfully: exit code: 127/,
    runs: true,
  },
  'a file in the way of a folder': {
    dockerfile: 'FROM base\nCOPY a /etc/passwd/a\n',
    files: { a: '' },
    code: 1,
    line: 2,
    message: /a file is in the way "\/etc\/passwd"|not a directory/,
  },
  'a tag that is none': {
    dockerfile: 'FROM base\n',
    args: ['-t', 'Not/Valid:*'],
    code: 1,
    message: /Not\/Valid/,
  },
  'a SOURCE_DATE_EPOCH that is no number': {
    dockerfile: 'FROM base\n',
    env: { SOURCE_DATE_EPOCH: 'yesterday' },
    code: 1,
    message: /SOURCE_DATE_EPOCH.*"yesterday"/,
    hint: /git log/,
  },
  'an unknown flag of the command line': {
    dockerfile: 'FROM base\n',
    args: ['--no-cahce'],
    code: 125,
    message: /unknown flag: --no-cahce/,
  },
  'a flag without its value': { dockerfile: 'FROM base\n', args: ['--jobs', 'many'], code: 125, message: /jobs/ },
}

for (const [what, c] of Object.entries(builds))
  test(`build refuses ${what}`, async (t) => {
    if (c.runs && !(await requireBox(t))) return
    const context = writeContext(cli, { ...c.files, Dockerfile: c.dockerfile })
    const args = ['build', '--progress', 'plain', '-t', 'never-made', ...(c.args ?? []), context]
    assertNothingLeft(() => cli.run(args, { env: c.env }), c)
  })

test('build refuses a missing Dockerfile', () => {
  const context = writeContext(cli, { file: '' })
  assertNothingLeft(() => cli.run(['build', context]), {
    code: 1,
    message: /failed to read dockerfile: open Dockerfile: no such file or directory/,
    hint: /-f/,
  })
})

test('build refuses a missing context, and one that is no folder', () => {
  const context = writeContext(cli, { file: '' })
  for (const path of ['/no/such/folder', join(context, 'file')])
    assertNothingLeft(() => cli.run(['build', path]), { code: 1, message: /context.*"\// })
})

test('build refuses no context at all', () => {
  assertNothingLeft(() => cli.run(['build']), { code: 1, message: /requires|argument/ })
})

const unreadable: [what: string, file: string, message: RegExp][] = [
  ['file of the context', 'sub/closed', /EACCES|permission denied/i],
  ['.dockerignore', '.dockerignore', /\.dockerignore.*(EACCES|permission denied)/i],
  ['Dockerfile', 'Dockerfile', /dockerfile.*(EACCES|permission denied)/i],
]
for (const [what, file, message] of unreadable)
  test(`build refuses a ${what} that can't be read`, (t) => {
    if (process.getuid!() === 0) return void skip(t, 'root reads every file', { byDefinition: true })
    const context = writeContext(cli, { Dockerfile: 'FROM base\nCOPY . /all\n', 'sub/closed': '', '.dockerignore': '' })
    chmodSync(join(context, file), 0)
    assertNothingLeft(() => cli.run(['build', context]), { code: 1, message })
  })

test('a folder that a build may not read is no matter when it is left out', (t) => {
  if (process.getuid!() === 0) return void skip(t, 'root reads every file', { byDefinition: true })
  const context = writeContext(cli, {
    Dockerfile: 'FROM base\nCOPY . /all\n',
    'closed/x': '',
    '.dockerignore': 'closed\n',
  })
  chmodSync(join(context, 'closed'), 0)
  const { id } = cli.build(context)
  chmodSync(join(context, 'closed'), 0o700)
  assert.match(id, /^sha256:/)
})

const unwritable: [what: string, args: string[]][] = [
  ['build', ['build', '.']],
  ['from-host', ['image', 'from-host', 'x', 'sh']],
  ['import', ['import', 'root.tar', 'x']],
]
for (const [what, args] of unwritable)
  test(`${what} says that the store can't be written`, (t) => {
    if (process.getuid!() === 0) return void skip(t, 'root writes everywhere', { byDefinition: true })
    const closed = join(writeContext(cli, { x: '' }), 'closed')
    mkdirSync(closed, { mode: 0o500 })
    const context = writeContext(cli, {
      Dockerfile: 'FROM scratch\nCOPY a /\n',
      a: 'a',
      'root.tar': { text: emptyTar() },
    })
    const ran = cli.run(args, { cwd: context, env: { TSBOX_ROOT: join(closed, 'store') } })
    assertFailed(ran, {
      code: 1,
      message: /EACCES|permission denied|can't be written|not writable/i,
      hint: /TSBOX_ROOT|--root/,
    })
    assert.ok(!existsSync(join(closed, 'store')))
  })

interface RunCase extends Expected {
  args: string[]
  /** Needs a container. */
  runs?: boolean
}

const runs: Record<string, RunCase> = {
  'an image that is not there': { args: ['nowhere:1'], code: 125, message: /nowhere:1/, hint: /tsbox images/ },
  'a name that is none': { args: ['UPPER'], code: 125, message: /lower case: "UPPER"/ },
  'an unknown flag': { args: ['--detahc', 'base'], code: 125, message: /unknown flag: --detahc/ },
  'no image': { args: [], code: 1, message: /requires|argument/ },
  'a program that is not there': {
    args: ['base', 'no-such-program'],
    code: 127,
    message: /exec: "no-such-program": executable file not found in \$PATH/,
    runs: true,
  },
  'a path that is not there': {
    args: ['base', '/no/such'],
    code: 127,
    message: /exec: "\/no\/such": no such file or directory/,
    runs: true,
  },
  'a file that is not executable': {
    args: ['base', '/etc/passwd'],
    code: 126,
    message: /exec: "\/etc\/passwd": permission denied/,
    runs: true,
  },
  'a folder as program': { args: ['base', '/etc'], code: 126, message: /exec: "\/etc": /, runs: true },
  'a volume without a target': { args: ['-v', '/a:', 'base', 'true'], code: 125, message: /invalid volume.*"\/a:"/ },
  'a volume onto a relative path': { args: ['-v', '/a:b', 'base', 'true'], code: 125, message: /not absolute: "b"/ },
  'a volume with an unknown option': { args: ['-v', '/a:/b:rx', 'base', 'true'], code: 125, message: /"rx"/ },
  'a volume named as no volume can be': { args: ['-v', 'a b:/b', 'base', 'true'], code: 125, message: /"a b/ },
  'a user that is not in the image': {
    args: ['-u', 'nobody-here', 'base', 'true'],
    code: 125,
    message: /unable to find user nobody-here/,
    runs: true,
  },
  'a container name that is none': { args: ['--name', '/x', 'base', 'true'], code: 125, message: /\/x/ },
  'an env file that is not there': {
    args: ['--env-file', '/no/such', 'base', 'true'],
    code: 125,
    message: /\/no\/such/,
  },
  'a network that there is not': {
    args: ['--network', 'mine', 'base', 'true'],
    code: 125,
    message: /mine/,
    hint: /host/,
  },
  'an option that is not honoured': { args: ['--privileged', 'base', 'true'], code: 125, message: /privileged/ },
}

for (const [what, c] of Object.entries(runs))
  test(`run refuses ${what}`, async (t) => {
    if (c.runs && !(await requireBox(t))) return
    assertNothingLeft(() => cli.run(['run', '--rm', ...c.args]), c)
  })

test('run refuses an image without a command', async (t) => {
  if (!(await requireBox(t))) return
  cli.build(writeContext(cli, { Dockerfile: 'FROM scratch\nCOPY a /\n', a: '' }), ['-t', 'no-command'])
  assertNothingLeft(() => cli.run(['run', '--rm', 'no-command']), {
    code: 125,
    message: /no command specified/,
    hint: /tsbox run no-command COMMAND/,
  })
})

test('run refuses a name that is taken', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok(['run', '--name', 'taken', 'base', 'true'])
  assertNothingLeft(() => cli.run(['run', '--rm', '--name', 'taken', 'base', 'true']), {
    code: 125,
    message: /name "taken" is already in use/,
    hint: /tsbox rm taken/,
  })
  cli.ok(['rm', 'taken'])
})

interface OtherCase extends Expected {
  args: string[]
}

const others: Record<string, OtherCase> = {
  'an unknown command': { args: ['biuld', '.'], code: 1, message: /unknown command: tsbox biuld/ },
  'rmi of an image that is not there': { args: ['rmi', 'nowhere'], code: 1, message: /nowhere/ },
  'inspect of an image that is not there': { args: ['inspect', 'nowhere'], code: 1, message: /nowhere/ },
  'history of an image that is not there': { args: ['history', 'nowhere'], code: 1, message: /nowhere/ },
  'tag of an image that is not there': { args: ['tag', 'nowhere', 'x'], code: 1, message: /nowhere/ },
  'save of an image that is not there': { args: ['save', '-o', 'x.tar', 'nowhere'], code: 1, message: /nowhere/ },
  'load of a file that is not there': { args: ['load', '-i', '/no/such.tar'], code: 1, message: /\/no\/such\.tar/ },
  'import of a file that is not there': { args: ['import', '/no/such.tar'], code: 1, message: /\/no\/such\.tar/ },
  'from-host of a program that is not there': {
    args: ['image', 'from-host', 'x', 'no-such-program'],
    code: 1,
    message: /no-such-program/,
  },
  'rm of a container that is not there': { args: ['rm', 'nowhere'], code: 1, message: /nowhere/ },
  'a template that is none': {
    args: ['inspect', '--format', '{{.Id', 'base'],
    code: 64,
    message: /template parsing error.*unclosed action/,
  },
}

for (const [what, c] of Object.entries(others))
  test(`tsbox refuses ${what}`, () => assertNothingLeft(() => cli.run(c.args), c))

test('load and import refuse what is no archive', () => {
  const dir = writeContext(cli, { noise: 'not an archive, only text that goes on for a while\n'.repeat(40), empty: '' })
  for (const args of [
    ['load', '-i', 'noise'],
    ['load', '-i', 'empty'],
    ['load', '-i', '.'],
    ['import', 'noise', 'x'],
  ])
    assertNothingLeft(() => cli.run(args, { cwd: dir }), { code: 1, message: /archive|tar|layout|header/i })
})

test('load refuses an archive that was cut or changed', () => {
  const file = join(cli.dir, 'base.tar')
  cli.ok(['save', '-o', file, 'base'])
  const whole = readFileSync(file)
  const cut = whole.subarray(0, whole.length >> 1)
  const changed = Buffer.from(whole)
  changed[whole.length >> 1]! ^= 0xff
  for (const bytes of [cut, changed]) {
    const other = openStore()
    const ran = other.run(['load'], { input: bytes })
    assert.notEqual(ran.code, 0, ran.stdout)
    assertFailed(ran, { code: 1, message: /digest|checksum|header|end|cut|truncated|incomplete/i })
    assert.deepEqual(other.images(), [])
    assert.deepEqual(other.leftovers(), [])
  }
})

function openStore() {
  return cli.with({ TSBOX_ROOT: join(cli.dir, `store-${Math.random().toString(36).slice(2)}`) })
}

function emptyTar(): Uint8Array {
  return new Uint8Array(1024)
}
