/** What `tsbox run` does with exit codes, streams, signals, environment, users, volumes and networks. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { makeBase, processesOf, requireBox, sharedCli, startProgram, TSBOX, writeContext } from '../helpers/cli.js'
import { until } from '../helpers/userns.js'

const cli = sharedCli()
before(() => makeBase(cli))

const sh = (script: string) => ['base', 'sh', '-c', script]

const codes: [what: string, args: string[], code: number][] = [
  ['0 for success', ['base', 'true'], 0],
  ['1 for failure', ['base', 'false'], 1],
  ["the program's own", sh('exit 42'), 42],
  ['one above 128', sh('exit 200'), 200],
  ['126 for what is not executable', ['base', '/etc/passwd'], 126],
  ['127 for what is not there', ['base', 'no-such'], 127],
  ['125 for what tsbox itself refuses', ['no-such-image'], 125],
  ['137 for SIGKILL', sh('kill -9 $$'), 137],
  ['143 for SIGTERM', sh('kill -15 $$'), 143],
  ['139 for SIGSEGV', sh('kill -11 $$'), 139],
]
for (const [what, args, code] of codes)
  test(`the exit code is ${what}`, async (t) => {
    if (!(await requireBox(t))) return
    assert.equal(cli.run(['run', '--rm', ...args]).code, code)
    assert.deepEqual(cli.leftovers(), [])
  })

test('streams are kept apart, and nothing is added to them', async (t) => {
  if (!(await requireBox(t))) return
  const ran = cli.run(['run', '--rm', ...sh('echo out; echo err >&2; printf last')])
  assert.deepEqual([ran.stdout, ran.stderr], ['out\nlast', 'err\n'])
})

test('standard input is passed with -i only', async (t) => {
  if (!(await requireBox(t))) return
  const input = Buffer.alloc(3_000_000, 'some bytes\n')
  const sum = spawnSync('sha256sum', { input }).stdout.toString()
  assert.equal(cli.run(['run', '--rm', '-i', 'base', 'sha256sum'], { input }).stdout, sum)
  assert.equal(cli.run(['run', '--rm', 'base', 'cat'], { input: 'unseen' }).stdout, '')
})

test('much output arrives whole', async (t) => {
  if (!(await requireBox(t))) return
  const ran = cli.run(['run', '--rm', ...sh('head -c 20000000 /dev/zero | tr "\\0" x')])
  assert.equal(ran.stdout.length, 20_000_000)
})

test('a reader that goes away ends the program', async (t) => {
  if (!(await requireBox(t))) return
  const script = `"$0" run --rm base sh -c 'while :; do echo line || exit 0; done' | head -n 1`
  const ran = await startProgram('sh', ['-c', script, TSBOX], { cwd: cli.dir, env: cli.env }).ended
  assert.equal(ran.stdout, 'line\n', ran.stderr)
  assert.deepEqual(cli.leftovers(), [])
})

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGQUIT'] as const)
  test(`${signal} goes to the program, whose answer counts`, async (t) => {
    if (!(await requireBox(t))) return
    const name = signal.slice(3)
    const run = cli.start([
      'run',
      '--rm',
      ...sh(`trap 'echo got; exit 7' ${name}; echo ready; while :; do sleep 0.05; done`),
    ])
    await run.until(/ready/)
    run.child.kill(signal)
    const ran = await run.ended
    assert.deepEqual([ran.code, ran.stdout], [7, 'ready\ngot\n'], ran.stderr)
    assert.deepEqual(cli.leftovers(), [])
  })

test('a program that handles no signal ends by it, Ctrl-C included', async (t) => {
  if (!(await requireBox(t))) return
  const run = cli.start(['run', '--rm', ...sh('echo ready; exec sleep 100')], { detached: true })
  await run.until(/ready/)
  // As a terminal does: to all of the foreground process group.
  process.kill(-run.pid, 'SIGINT')
  assert.equal((await run.ended).code, 130)
  assert.deepEqual(cli.leftovers(), [])
})

test('processes that lost their parent are reaped, and all end with the program', async (t) => {
  if (!(await requireBox(t))) return
  const script =
    'for i in 1 2 3 4 5; do (sh -c "sleep 0.0$i &" &) ; done; (sleep 100 &); sleep 0.4; cat /proc/[0-9]*/stat 2>/dev/null | grep -c ") Z "; true'
  assert.equal(cli.ok(['run', '--rm', ...sh(script)]), '0\n')
  assert.deepEqual(cli.leftovers(), [])
})

test('what the tests look for is what there is', async (t) => {
  if (!(await requireBox(t))) return
  const run = cli.start(['run', '--rm', ...sh('echo ready; exec sleep 99.5')])
  await run.until(/ready/)
  const find = () => processesOf(cli)
  await until(() => find().some((p) => p.command === 'sleep 99.5'))
  const found = find()
  assert.ok(
    found.some((p) => p.pid === run.pid),
    'tsbox',
  )
  assert.ok(
    found.some((p) => p.command.includes('tsbox-helper')),
    'the helper',
  )
  assert.ok(cli.leftovers().some((l) => l.startsWith('leases/')))
  run.child.kill('SIGTERM')
  assert.equal((await run.ended).code, 143)
})

test('the environment is that of the image and of the command line', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = 'FROM base\nENV A=image B=image PATH=/opt/bin:/usr/bin:/bin\n'
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'env'])
  writeFileSync(join(cli.dir, 'vars'), '# comment\nC=from file\nB=file\nPASSED\n\nD=x=y\n')
  const args = ['--env-file', join(cli.dir, 'vars'), '-e', 'B=own', '-e', 'HERE', '-e', 'ABSENT', '--env', 'E=']
  const out = cli.ok(['run', '--rm', '-h', 'box', ...args, 'env', 'env'], { env: { HERE: 'host', PASSED: 'too' } })
  assert.deepEqual(out.trim().split('\n').sort(), [
    'A=image',
    'B=own',
    'C=from file',
    'D=x=y',
    'E=',
    'HERE=host',
    'HOME=/root',
    'HOSTNAME=box',
    'PASSED=too',
    'PATH=/opt/bin:/usr/bin:/bin',
  ])
})

test('the working directory is made where it is missing', async (t) => {
  if (!(await requireBox(t))) return
  assert.equal(cli.ok(['run', '--rm', '-w', '/new/deep', ...sh('pwd; stat -c %u:%g:%a .')]), '/new/deep\n0:0:755\n')
  assert.equal(cli.ok(['run', '--rm', ...sh('pwd')]), '/\n')
})

const USERS = `FROM base
RUN echo 'worker:x:1234:1235:W:/home/worker:/bin/sh' >> /etc/passwd \\
 && printf 'worker:x:1235:\\nextra:x:2000:other,worker\\n' >> /etc/group
USER worker
`
const users: [user: string | undefined, expected: string][] = [
  [undefined, '1234:1235 1235 2000 /home/worker'],
  ['0', '0:0 0 /root'],
  ['worker', '1234:1235 1235 2000 /home/worker'],
  ['1234', '1234:1235 1235 2000 /home/worker'],
  ['worker:extra', '1234:2000 2000 /home/worker'],
  ['4321', '4321:0 0 /'],
  ['4321:77', '4321:77 77 /'],
  ['root', '0:0 0 /root'],
]
test('-u is a name or a number, with a group or that of the user', async (t) => {
  if (!(await requireBox(t))) return
  cli.build(writeContext(cli, { Dockerfile: USERS }), ['-t', 'users'])
  for (const [user, expected] of users) {
    const args = user === undefined ? [] : ['-u', user]
    const script = 'echo "$(id -u):$(id -g) $(id -G) $HOME"'
    assert.equal(cli.ok(['run', '--rm', ...args, 'users', 'sh', '-c', script]), `${expected}\n`, user)
  }
})

test('ENTRYPOINT and CMD are replaced as docker does', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = 'FROM base\nENTRYPOINT ["sh", "-c", "echo $0 $*"]\nCMD ["one", "two"]\n'
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'entry'])
  assert.equal(cli.ok(['run', '--rm', 'entry']), 'one two\n')
  assert.equal(cli.ok(['run', '--rm', 'entry', '-x', '--rm']), '-x --rm\n')
  assert.equal(cli.ok(['run', '--rm', '--entrypoint', 'cat', 'entry', '/etc/hostname']).length > 0, true)
  assert.equal(cli.ok(['run', '--rm', '--entrypoint', '', 'entry', 'sh', '-c', 'echo three']), 'three\n')
})

test('--network none has the loopback alone, host has what this machine has', async (t) => {
  if (!(await requireBox(t))) return
  const devices = (network: string) =>
    cli.ok(['run', '--rm', '--network', network, ...sh('grep : /proc/net/dev | tr -d " "')])
  assert.match(devices('none'), /^lo:.*\n$/)
  const host = readFileSync('/proc/net/dev', 'utf8')
    .match(/^ *[^ ]+:/gm)!
    .map((l) => l.trim())
  assert.deepEqual(devices('host').match(/^[^:]+:/gm), host)
  assert.equal(
    cli.ok(['run', '--rm', '--network', 'none', ...sh('cat < /dev/null > /dev/tcp/x 2>/dev/null; echo up')]),
    'up\n',
  )
})

test('the host name, and files that tell of it', async (t) => {
  if (!(await requireBox(t))) return
  const out = cli.ok([
    'run',
    '--rm',
    '--network',
    'none',
    '-h',
    'my-box',
    ...sh('uname -n; cat /etc/hostname; grep -c my-box /etc/hosts'),
  ])
  assert.equal(out, 'my-box\nmy-box\n1\n')
})

test('a folder of the host is mounted, to write or only to read', async (t) => {
  if (!(await requireBox(t))) return
  const dir = join(cli.dir, 'shared folder')
  mkdirSync(dir)
  writeFileSync(join(dir, 'there'), 'before')
  cli.ok(['run', '--rm', '-v', `${dir}:/data`, ...sh('cat /data/there > /data/made && mkdir /data/sub')])
  assert.equal(readFileSync(join(dir, 'made'), 'utf8'), 'before')
  assert.equal(statSync(join(dir, 'sub')).uid, process.getuid!())
  const refused = cli.run(['run', '--rm', '-v', `${dir}:/data:ro`, ...sh('cat /data/there; touch /data/no')])
  assert.match(refused.stderr, /Read-only file system/)
  assert.equal(refused.stdout, 'before')
  assert.ok(!existsSync(join(dir, 'no')))
  cli.ok(['run', '--rm', '-v', `${join(dir, 'there')}:/one/file:ro`, ...sh('test "$(cat /one/file)" = before')])
  cli.ok(['run', '--rm', '-v', './shared folder:/data', ...sh('test -e /data/there')])
  cli.ok(['run', '--rm', '-v', `${dir}/new:/data`, ...sh('touch /data/x')])
  assert.ok(existsSync(join(dir, 'new/x')))
})

test('a named volume begins with what the image has, and keeps what is written', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile = 'FROM base\nRUN mkdir /data && echo image > /data/first && chown 5:6 /data/first\n'
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'with-data'])
  const run = (script: string) => cli.ok(['run', '--rm', '-v', 'mine:/data', 'with-data', 'sh', '-c', script])
  assert.equal(
    run('cat /data/first; stat -c %u:%g /data/first; echo kept > /data/second; rm /data/first'),
    'image\n5:6\n',
  )
  assert.equal(run('ls /data; cat /data/second'), 'second\nkept\n')
  assert.equal(
    cli.ok(['run', '--rm', '-v', 'mine:/else:ro', ...sh('cat /else/second; touch /else/x 2>&1 | tail -c 22')]),
    'kept\nRead-only file system\n',
  )
})

test('a nameless volume goes with its container', async (t) => {
  if (!(await requireBox(t))) return
  assert.equal(cli.ok(['run', '--rm', '-v', '/data', ...sh('echo x > /data/x; cat /data/x')]), 'x\n')
  assert.deepEqual(cli.leftovers(), [])
  assert.deepEqual(cli.names('containers'), [])
})

test('without --rm a container stays, with its name and exit code, until it is removed', async (t) => {
  if (!(await requireBox(t))) return
  assert.equal(cli.run(['run', '--name', 'kept', ...sh('echo > /written; exit 3')]).code, 3)
  assert.equal(
    cli.ok(['ps', '-a', '--format', '{{.Names}} {{.Image}} {{.Status}}']).replace(/ \(3\).*/, ' (3)'),
    'kept base Exited (3)\n',
  )
  assert.equal(cli.ok(['ps', '-q']), '')
  assert.equal(cli.ok(['rm', 'kept']), 'kept\n')
  assert.deepEqual(cli.names('containers'), [])
  assert.deepEqual(cli.leftovers(), [])
})

test('a running container is listed, keeps its image, and is removed by force only', async (t) => {
  if (!(await requireBox(t))) return
  const run = cli.start(['run', '--name', 'busy', ...sh('echo ready; sleep 100')])
  await run.until(/ready/)
  assert.equal(cli.ok(['ps', '--format', '{{.Names}}']), 'busy\n')
  assert.equal(cli.run(['rmi', 'base']).code, 1)
  assert.equal(cli.run(['rm', 'busy']).code, 1)
  cli.ok(['rm', '-f', 'busy'])
  await run.ended
  assert.equal(cli.ok(['ps', '-a', '-q']), '')
  assert.deepEqual(cli.leftovers(), [])
})

test('containers do not see each other', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok(['run', '--name', 'one', ...sh('echo one > /tmp/f; echo x >> /etc/passwd')])
  const script = 'ls /tmp; grep -c "^x" /etc/passwd; ls /proc | grep -c "^[0-9]"; true'
  assert.match(cli.ok(['run', '--rm', ...sh(script)]), /^0\n[2-6]\n$/)
  cli.ok(['rm', 'one'])
})

test('containers run side by side', async (t) => {
  if (!(await requireBox(t))) return
  const runs = Array.from({ length: 6 }, (_, n) => cli.start(['run', '--rm', ...sh(`echo ${n}`)]))
  const ended = await Promise.all(runs.map((r) => r.ended))
  assert.deepEqual(
    ended.map((r) => r.stdout),
    ['0\n', '1\n', '2\n', '3\n', '4\n', '5\n'],
  )
  assert.deepEqual(cli.leftovers(), [])
})

test('what Docker hides and write-protects is hidden and write-protected', async (t) => {
  if (!(await requireBox(t))) return
  const script = [
    'test ! -s /proc/kcore',
    '! echo 1 > /proc/sys/kernel/hostname',
    '! touch /sys/x',
    'test -c /dev/null && test -c /dev/tty && test -d /dev/pts && test -d /dev/shm',
    'test "$(readlink /dev/fd)" = /proc/self/fd',
    'echo x > /dev/shm/x',
    // Refused, or with one id only recorded: never the device itself.
    'mknod /dev/zero2 c 1 5 2>/dev/null; test -z "$(head -c 1 /dev/zero2 2>/dev/null | tr "\\0" x)"',
    'grep -q "^Seccomp:.2" /proc/self/status || grep -q "^CapBnd:.00000000a80425fb" /proc/self/status',
  ]
  for (const line of script) assert.equal(cli.run(['run', '--rm', ...sh(line)]).code, 0, line)
})
