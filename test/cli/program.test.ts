import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const repo = process.env.TSBOX_REPO ?? process.cwd()
const program = join(repo, 'bin/tsbox')
const version: string = JSON.parse(readFileSync(join(repo, 'package.json'), 'utf8')).version
const dir = mkdtempSync(join(tmpdir(), 'tsbox-cli-'))
after(() => rmSync(dir, { recursive: true }))

function run(argv: readonly string[], { file = program, env = {}, input = '' } = {}) {
  const options = { encoding: 'utf8', input, env: { ...process.env, TSBOX_ROOT: join(dir, 'store'), ...env } } as const
  const { status, stdout, stderr } = spawnSync(file, argv, options)
  return { status, stdout, stderr }
}

const cases: [argv: string[], status: number, stdout: RegExp, stderr: RegExp][] = [
  [['--version'], 0, new RegExp(`^tsbox version ${version}\n$`), /^$/],
  [['-v'], 0, new RegExp(`^tsbox version ${version}\n$`), /^$/],
  [['--debug', '--version'], 0, new RegExp(`^tsbox version ${version}\n$`), /^$/],
  [[], 0, /^Usage: {2}tsbox \[OPTIONS\] COMMAND/, /^$/],
  [['help'], 0, /^Usage: {2}tsbox \[OPTIONS\] COMMAND/, /^$/],
  [['help', 'run'], 0, /^Usage: {2}tsbox run \[OPTIONS\] IMAGE/, /^$/],
  [['build', '--help'], 0, /-t, --tag +Name of the image/, /^$/],
  [['nope'], 1, /^$/, /unknown command: tsbox nope/],
  [['--nope'], 125, /^$/, /unknown flag: --nope/],
  [['run', '--nope', 'x'], 125, /^$/, /unknown flag: --nope/],
  [['run'], 1, /^$/, /'tsbox run' requires at least 1 argument/],
  [['tag', 'a'], 1, /^$/, /'tsbox tag' requires 2 arguments/],
  [['version', '--format', '{{.Client.Version}}'], 0, new RegExp(`^${version}\n$`), /^$/],
  [['build', '/nowhere/at/all'], 1, /^$/, /unable to prepare context/],
]

for (const [argv, status, stdout, stderr] of cases) {
  test(`bin/tsbox ${argv.join(' ')} exits with ${status}`, () => {
    const outcome = run(argv)
    assert.match(outcome.stderr, stderr)
    assert.match(outcome.stdout, stdout)
    assert.equal(outcome.status, status)
  })
}

test('bin/tsbox works through links, as npm makes them', () => {
  mkdirSync(join(dir, 'bin'))
  symlinkSync(program, join(dir, 'absolute'))
  symlinkSync('../absolute', join(dir, 'bin/relative'))
  for (const file of [join(dir, 'absolute'), join(dir, 'bin/relative')]) {
    assert.equal(run(['-v'], { file }).stdout, `tsbox version ${version}\n`)
  }
})

test('bin/tsbox says how to build what is not built', () => {
  cpSync(program, join(dir, 'alone/bin/tsbox'))
  const { status, stderr } = run(['-v'], { file: join(dir, 'alone/bin/tsbox') })
  assert.equal(status, 125)
  assert.match(stderr, /not built yet: run "npm run build" in /)
})

test('bin/tsbox says that Node is missing', () => {
  const { status, stderr } = run(['-v'], { env: { PATH: '/nowhere' } })
  assert.equal(status, 125)
  assert.match(stderr, /node is not on the PATH/)
})

test('certificates are no cost of the start, and are kept for later', () => {
  // A file that Node can't read makes it warn: no warning, no reading.
  const { stderr, status } = run(['help'], { env: { NODE_EXTRA_CA_CERTS: join(dir, 'none.pem') } })
  assert.equal(stderr, '')
  assert.equal(status, 0)
})

test('a reader that goes away ends tsbox quietly', () => {
  const { stdout, stderr } = spawnSync('sh', ['-c', `"${program}" help | true; echo done`], { encoding: 'utf8' })
  assert.equal(stdout, 'done\n')
  assert.equal(stderr, '')
})

test('a command that docker has and tsbox has not yet is named with the reason', () => {
  const ran = spawnSync(join(process.env.TSBOX_REPO ?? '.', 'bin/tsbox'), ['serve'], { encoding: 'utf8' })
  assert.equal(ran.status, 1)
  assert.match(ran.stderr, /no such command yet: tsbox serve: docker's API is not served yet/)
})
