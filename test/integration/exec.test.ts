/** `exec` and `attach`: processes that come to a container that runs, and those who join it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, before, type TestContext, test } from 'node:test'
import { HAS_SUBIDS, makeBase, onPath, requireBox, sharedCli, skip } from '../helpers/cli.js'
import { inTerminal } from '../helpers/terminal.js'
import { until } from '../helpers/userns.js'

const cli = sharedCli()
before(() => makeBase(cli, ['ps', 'seq', 'sha256sum']))
afterEach(() => {
  const ids = cli.run(['ps', '-aq']).stdout.split('\n').filter(Boolean)
  if (ids.length) cli.run(['rm', '-f', ...ids])
})

async function requirePython(t: TestContext): Promise<boolean> {
  if (!(await requireBox(t))) return false
  return onPath('python3') || skip(t, 'python3 is not installed: sudo apt-get install python3')
}

const start = (name: string, ...options: string[]) =>
  cli.ok(['run', '-d', '--name', name, ...options, 'base', 'sh', '-c', 'while :; do sleep 0.1; done']).trim()
const exec = (...args: string[]) => cli.run(['exec', ...args])

const codes: [what: string, args: string[], code: number][] = [
  ['0 for success', ['true'], 0],
  ['1 for failure', ['false'], 1],
  ["the program's own", ['sh', '-c', 'exit 42'], 42],
  ['126 for what is not executable', ['/etc/passwd'], 126],
  ['126 for a folder', ['/tmp'], 126],
  ['127 for what is not there', ['no-such'], 127],
  ['137 for SIGKILL', ['sh', '-c', 'kill -9 $$'], 137],
  ['143 for SIGTERM', ['sh', '-c', 'kill -15 $$'], 143],
]
test('the exit code of exec is that of docker', async (t) => {
  if (!(await requireBox(t))) return
  start('codes')
  for (const [what, args, code] of codes) assert.equal(exec('codes', ...args).code, code, what)
  assert.equal(exec('-w', '/no-such', 'codes', 'true').code, 126)
  assert.equal(exec('-u', 'nobody-knows', 'codes', 'true').code, 1, 'an unknown user')
  assert.equal(exec('no-such-container', 'true').code, 1)
  cli.ok(['kill', 'codes'])
  const stopped = exec('codes', 'true')
  assert.equal(stopped.code, 1)
  assert.match(stopped.stderr, /container [0-9a-f]{64} is not running/)
})

for (const mode of HAS_SUBIDS ? ['subid', 'single'] : ['single'])
  test(`exec has the container's world and rights, in ${mode} mode`, async (t) => {
    if (!(await requireBox(t))) return
    const name = `world-${mode}`
    start(name, `--userns=${mode}`, '-e', 'A=of the container', '-e', 'B=kept', '-w', '/opt', '-h', 'boxed')
    const ran = exec('-e', 'A=new', name, 'sh', '-c', 'echo "$A|$B|$HOME|$(pwd)|$(uname -n)|$(id -u)"; echo err >&2')
    assert.deepEqual([ran.stdout, ran.stderr], ['new|kept|/root|/opt|boxed|0\n', 'err\n'])
    const other = exec('-u', '1234:5678', '-w', '/tmp', name, 'sh', '-c', 'id -u; id -g; touch f; stat -c %u:%g f; pwd')
    assert.equal(other.stdout, '1234\n5678\n1234:5678\n/tmp\n')
    // Owners are seen by every process of the container.
    exec(name, 'sh', '-c', 'touch /owned; chown 12:13 /owned')
    assert.equal(exec(name, 'stat', '-c', '%u:%g', '/owned').stdout, '12:13\n')
    const caps = (...options: string[]) => exec(...options, name, 'grep', 'CapEff', '/proc/self/status').stdout.trim()
    assert.equal(
      caps(),
      cli.ok(['run', '--rm', `--userns=${mode}`, 'base', 'grep', 'CapEff', '/proc/self/status']).trim(),
    )
    assert.ok(BigInt(`0x${caps('--privileged').split('\t')[1]}`) > BigInt(`0x${caps().split('\t')[1]}`))
    // A child of the container's own first process.
    assert.equal(
      exec(name, 'sh', '-c', 'cut -d" " -f4 < /proc/$$/stat 2>/dev/null || grep PPid /proc/$$/status')
        .stdout.trim()
        .replace(/^PPid:\t/, ''),
      '1',
    )
  })

test('nothing but the three streams is inherited, and none leads to the host', async (t) => {
  if (!(await requireBox(t))) return
  start('fds')
  // The shell's own look at the folder is closed by then.
  const script = 'for fd in /proc/$$/fd/*; do [ -e "$fd" ] && echo "${fd##*/}"; done; true'
  assert.equal(exec('fds', 'sh', '-c', script).stdout, '0\n1\n2\n')
  for (const n of ['3', '4', '5', '8', '100'])
    assert.equal(exec('-w', `/proc/self/fd/${n}`, 'fds', 'cat', '/etc/passwd').code, 126)
  // The programs that run there can't be reached to be overwritten: /proc/1/exe is sealed.
  assert.notEqual(exec('fds', 'sh', '-c', 'echo x > /proc/1/exe').code, 0)
})

test('input is passed with -i only, whole, in the background nothing is', async (t) => {
  if (!(await requireBox(t))) return
  start('input')
  const input = Buffer.alloc(3_000_000, 'some bytes\n')
  const sum = spawnSync('sha256sum', { input }).stdout.toString()
  assert.equal(cli.run(['exec', '-i', 'input', 'sha256sum'], { input }).stdout, sum)
  assert.equal(cli.run(['exec', 'input', 'cat'], { input: 'unseen' }).stdout, '')
  const much = exec('input', 'sh', '-c', 'head -c 20000000 /dev/zero | tr "\\0" x')
  assert.equal(much.stdout.length, 20_000_000)
  assert.equal(exec('-d', 'input', 'sh', '-c', 'echo done > /late').stdout, '')
  await until(() => exec('input', 'cat', '/late').stdout === 'done\n')
})

test('many processes at once, each with its own answer', async (t) => {
  if (!(await requireBox(t))) return
  start('crowd')
  const all = Array.from(
    { length: 20 },
    (_, i) => cli.start(['exec', 'crowd', 'sh', '-c', `echo ${i}; exit ${i}`]).ended,
  )
  const ran = await Promise.all(all)
  assert.deepEqual(
    ran.map((r) => [r.code, r.stdout]),
    ran.map((_, i) => [i, `${i}\n`]),
  )
})

test('processes of exec end with the container', async (t) => {
  if (!(await requireBox(t))) return
  start('end')
  const running = cli.start(['exec', 'end', 'sh', '-c', 'echo up; sleep 1000'])
  await running.until(/up/)
  cli.ok(['kill', 'end'])
  assert.equal((await running.ended).code, 137)
})

test('exec -it has a terminal of its own, of the right size', async (t) => {
  if (!(await requirePython(t))) return
  start('tty')
  const script =
    'trap "stty size" WINCH; tty; stty size; echo $TERM; until read -r line; do :; done; echo "read <$line>"; exit 9'
  const { code, output, restored, left } = inTerminal(
    cli,
    ['exec', '-it', 'tty', 'sh', '-c', script],
    [
      ['wait', 'xterm'],
      ['size', 100, 40],
      ['wait', '40 100'],
      ['send', 'typed\n'],
      ['wait', 'read <typed>'],
    ],
  )
  assert.deepEqual([code, left], [9, []], output)
  assert.match(output, /^\/dev\/pts\/\d+\r\n24 80\r\nxterm\r\n/)
  assert.ok(restored, 'the terminal is as it was')
})

test('attach joins, types, and leaves by its keys', async (t) => {
  if (!(await requirePython(t))) return
  cli.ok(['run', '-dit', '--name', 'joined', 'base', 'sh', '-c', 'while read -r l; do echo "<$l>"; done; exit 6'])
  const first = inTerminal(
    cli,
    ['attach', 'joined'],
    [
      ['send', 'one\n'],
      ['wait', '<one>'],
      ['send', '\x10\x11'],
    ],
  )
  assert.deepEqual([first.code, first.left], [0, []], first.output)
  assert.ok(first.restored)
  const second = inTerminal(
    cli,
    ['attach', '--detach-keys', 'ctrl-x,z', 'joined'],
    [
      ['send', '\x10two\n'],
      ['wait', '<.*two>'],
      ['send', '\x18z'],
    ],
  )
  assert.deepEqual([second.code, second.left], [0, []], second.output)
  const last = inTerminal(
    cli,
    ['attach', 'joined'],
    [
      ['send', '\n'],
      ['wait', '<>'],
      ['send', '\x04'],
    ],
  )
  assert.equal(last.code, 6, last.output)
  assert.equal(cli.run(['attach', '--detach-keys', 'ctrl-%', 'joined']).code, 1)
})

test('attach without a terminal gets both streams, and passes signals on', async (t) => {
  if (!(await requireBox(t))) return
  const script = 'trap "echo got; echo err >&2; exit 3" TERM; while :; do sleep 0.05; echo tick; done'
  cli.ok(['run', '-d', '--name', 'signals', 'base', 'sh', '-c', script])
  const joined = cli.start(['attach', '--no-stdin', 'signals'])
  await joined.until(/tick/)
  joined.child.kill('SIGTERM')
  const ran = await joined.ended
  assert.equal(ran.code, 3)
  assert.match(ran.stdout, /got\n$/)
  assert.equal(ran.stderr, 'err\n')
})

test('the control socket is for its user alone, and not for the container', async (t) => {
  if (!(await requireBox(t))) return
  const id = start('socket', '-v', `${cli.root}:/store`)
  const folder = join(cli.root, 'containers', id)
  const mode = spawnSync('stat', ['-c', '%a', join(folder, 'control')], { encoding: 'utf8' }).stdout
  assert.equal(mode, '600\n')
  const runner = (JSON.parse(readFileSync(join(folder, 'record.json'), 'utf8')) as { runner: { pid: number } }).runner
  const open = readdirSync(`/proc/${runner.pid}/fd`).map((fd) => readlinkSync(`/proc/${runner.pid}/fd/${fd}`))
  assert.equal(open.filter((path) => path === '/dev/null').length, 3, open.join())
  // Joined to the container's user namespace: as one of its processes that was given the folder.
  const script =
    'import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ns.settimeout(10)\ntry:\n' +
    ' s.send(b"\\x04\\0\\0\\0\\x33\\x0a\\0\\0\\0")\n sys.exit(0 if s.recv(9)==b"" else 1)\n' +
    'except ConnectionError: sys.exit(0)'
  const payload = cli.ok(['inspect', '-f', '{{.State.Pid}}', 'socket']).trim()
  const inside = spawnSync(
    'nsenter',
    ['-t', payload, '-U', '--preserve-credentials', 'python3', '-c', script, 'control'],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  )
  if (inside.error || /not found|No such file/.test(inside.stderr)) t.diagnostic('nsenter or python3 is missing')
  else assert.equal(inside.status, 0, inside.stderr)
  assert.equal(cli.ok(['inspect', '-f', '{{.State.Status}}', 'socket']), 'running\n')
  // What is no request is answered with a refusal, and harms nobody.
  await new Promise<void>((done) => {
    const socket = connect(`${folder}/control`)
    socket.on('error', () => done())
    socket.on('connect', () => socket.end(Buffer.from([0, 0, 0, 0, 0xee])))
    socket.on('close', () => done())
    socket.resume()
  })
  assert.equal(exec('socket', 'true').code, 0)
})
