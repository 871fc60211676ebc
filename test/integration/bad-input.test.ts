/**
 * Everything else that a user can get wrong: of runs, images, archives, the store. One clear error, docker's exit status,
 * and nothing left behind.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, skip, writeContext } from '../helpers/cli.js'
import { assertFailed, assertNothingLeft, type Expected } from '../helpers/refusal.js'

const cli = sharedCli()
before(() => makeBase(cli))

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
  'an option that is not honoured': { args: ['--publish', '80:80', 'base', 'true'], code: 125, message: /publish/ },
}

for (const [what, c] of Object.entries(runs))
  test(`run refuses ${what}`, async (t) => {
    if (c.runs && !(await requireBox(t))) return
    assertNothingLeft(cli, () => cli.run(['run', '--rm', ...c.args]), c)
  })

test('run refuses an image without a command', async (t) => {
  if (!(await requireBox(t))) return
  cli.build(writeContext(cli, { Dockerfile: 'FROM scratch\nCOPY a /\n', a: '' }), ['-t', 'no-command'])
  assertNothingLeft(cli, () => cli.run(['run', '--rm', 'no-command']), {
    code: 125,
    message: /no command specified/,
    hint: /tsbox run no-command COMMAND/,
  })
})

test('run refuses a name that is taken', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok(['run', '--name', 'taken', 'base', 'true'])
  assertNothingLeft(cli, () => cli.run(['run', '--rm', '--name', 'taken', 'base', 'true']), {
    code: 125,
    message: /name "\/taken" is already in use/,
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
  test(`tsbox refuses ${what}`, () => assertNothingLeft(cli, () => cli.run(c.args), c))

test('load and import refuse what is no archive', () => {
  const dir = writeContext(cli, { noise: 'not an archive, only text that goes on for a while\n'.repeat(40), empty: '' })
  for (const args of [
    ['load', '-i', 'noise'],
    ['load', '-i', 'empty'],
    ['load', '-i', '.'],
    ['import', 'noise', 'x'],
  ])
    assertNothingLeft(cli, () => cli.run(args, { cwd: dir }), { code: 1, message: /archive|tar|layout|header/i })
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
