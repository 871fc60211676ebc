/** Containers in the foreground: their log, who else joins them, and what is left when their command is killed. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, before, test } from 'node:test'
import { HAS_SUBIDS, makeBase, onPath, requireBox, sharedCli, skip, startProgram, TSBOX } from '../helpers/cli.js'
import { inTerminal } from '../helpers/terminal.js'
import { until } from '../helpers/userns.js'

const cli = sharedCli()
before(() => makeBase(cli, ['seq', 'head', 'echo']))
afterEach(() => {
  const ids = cli.run(['ps', '-aq']).stdout.split('\n').filter(Boolean)
  if (ids.length) cli.run(['rm', '-f', ...ids])
})

const format = (name: string, template: string) => cli.ok(['inspect', '-f', template, name]).trim()
const status = (name: string) => format(name, '{{.State.Status}} {{.State.ExitCode}}')
const logOf = (name: string) => format(name, '{{.LogPath}}')
/** Runs until the file `go` is in the folder that it shares with the test. */
const waiting = (name: string, script: string, ...options: string[]) => {
  const dir = join(cli.dir, name)
  mkdirSync(dir)
  const wait = 'until [ -e /go/go ]; do sleep 0.05; done'
  const args = [
    'run',
    '--name',
    name,
    ...options,
    '-v',
    `${dir}:/go`,
    'base',
    'sh',
    '-c',
    `${script}; ${wait}; echo over`,
  ]
  return { args, go: () => writeFileSync(join(dir, 'go'), '') }
}

for (const mode of HAS_SUBIDS ? ['subid', 'single'] : ['single'])
  test(`a container in the foreground keeps a log, and outlives its command, in ${mode} mode`, async (t) => {
    if (!(await requireBox(t))) return
    const { args, go } = waiting(`front-${mode}`, 'echo ready; echo err >&2', `--userns=${mode}`)
    const run = cli.start(args)
    await run.until(/ready/)
    assert.equal(status(`front-${mode}`), 'running 0')
    run.child.kill('SIGKILL')
    await run.ended
    assert.equal(status(`front-${mode}`), 'running 0')
    assert.equal(cli.ok(['exec', `front-${mode}`, 'sh', '-c', 'echo inside']), 'inside\n')
    go()
    assert.equal(cli.ok(['wait', `front-${mode}`]), '0\n')
    const log = cli.run(['logs', `front-${mode}`])
    assert.deepEqual([log.stdout, log.stderr], ['ready\nover\n', 'err\n'])
  })

test('one that is to be removed is, also where its command was killed', async (t) => {
  if (!(await requireBox(t))) return
  const { args, go } = waiting('gone', 'echo ready', '--rm')
  const run = cli.start(args)
  await run.until(/ready/)
  run.child.kill('SIGKILL')
  await run.ended
  assert.equal(status('gone'), 'running 0')
  go()
  await until(() => cli.ok(['ps', '-aq']) === '')
  await until(
    () => !existsSync(join(cli.root, 'tmp')) || !readdirSync(join(cli.root, 'tmp')).some((n) => n.endsWith('gone')),
  )
  cli.ok(['system', 'prune', '-f'])
  assert.deepEqual(cli.leftovers(), [])
})

test('others attach to it, and see what is said from then on', async (t) => {
  if (!(await requireBox(t))) return
  const { args, go } = waiting('shared', 'echo ready')
  args[args.length - 1] = 'echo ready; until [ -e /go/go ]; do echo tick; sleep 0.05; done; echo over; exit 6'
  const run = cli.start(args)
  await run.until(/ready/)
  const other = cli.start(['attach', '--no-stdin', 'shared'])
  await other.until(/tick/)
  go()
  const [front, joined] = await Promise.all([run.ended, other.ended])
  assert.deepEqual([front.code, joined.code], [6, 6])
  assert.match(front.stdout, /^ready\n(tick\n)+over\n$/)
  assert.match(joined.stdout, /^(tick\n)+over\n$/)
})

test('-a joins only what it names, and prints the id where that is no output', async (t) => {
  if (!(await requireBox(t))) return
  const script = ['base', 'sh', '-c', 'echo out; echo err >&2; exit 4']
  const out = cli.run(['run', '--rm', '-a', 'stdout', ...script])
  assert.deepEqual([out.stdout, out.stderr, out.code], ['out\n', '', 4])
  const err = cli.run(['run', '--rm', '-a', 'STDERR', ...script])
  assert.deepEqual([err.stdout, err.stderr], ['', 'err\n'])
  const none = cli.run(['run', '--name', 'silent', '-i', '-a', 'stdin', 'base', 'sh', '-c', 'read -r x; echo "<$x>"'], {
    input: 'given\n',
  })
  assert.match(none.stdout, /^[0-9a-f]{64}\n$/)
  assert.equal(cli.ok(['logs', 'silent']), '<given>\n')
  assert.equal(cli.run(['run', '-a', 'stdfoo', ...script]).code, 125)
  assert.match(cli.run(['run', '-d', '-a', 'stdout', ...script]).stderr, /cannot specify both --attach and --detach/)
})

test('the program hears that nobody reads its output any more', async (t) => {
  if (!(await requireBox(t))) return
  const line =
    '"$0" run --rm base sh -c "trap \'\' PIPE; seq 1000000; exit 7" 2>/dev/null | head -n 1; echo "${PIPESTATUS[0]}"'
  const ran = await startProgram('bash', ['-c', line, TSBOX], { cwd: cli.dir, env: cli.env }).ended
  assert.equal(ran.stdout, '1\n7\n', ran.stderr)
})

test('a big stream is whole, in the log and in front', async (t) => {
  if (!(await requireBox(t))) return
  const ran = cli.run(['run', '--name', 'big', 'base', 'seq', '200000'])
  const wanted = `${Array.from({ length: 200000 }, (_, i) => i + 1).join('\n')}\n`
  assert.ok(ran.stdout === wanted, `${ran.stdout.length} of ${wanted.length} bytes in front`)
  assert.ok(cli.ok(['logs', 'big']) === wanted, 'the log')
  const bytes = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 7) & 255))
  const copy = startProgram('sh', ['-c', '"$0" run --rm -i --log-driver none base cat | sha256sum', TSBOX], {
    cwd: cli.dir,
    env: cli.env,
  })
  copy.child.stdin?.end(bytes)
  const { createHash } = await import('node:crypto')
  assert.equal((await copy.ended).stdout.split(' ')[0], createHash('sha256').update(bytes).digest('hex'))
})

test('--sig-proxy=false keeps signals from the program', async (t) => {
  if (!(await requireBox(t))) return
  const { args, go } = waiting('deaf', 'trap "echo got" INT; echo ready', '--sig-proxy=false')
  const run = cli.start(args)
  await run.until(/ready/)
  run.child.kill('SIGINT')
  assert.equal((await run.ended).signal ?? (await run.ended).code, 'SIGINT')
  go()
  cli.ok(['wait', 'deaf'])
  assert.equal(cli.ok(['logs', 'deaf']), 'ready\nover\n')
})

test('the keys that detach leave it behind, with the terminal as it was', async (t) => {
  if (!(await requireBox(t))) return
  if (!onPath('python3')) return void skip(t, 'python3 is not installed: sudo apt-get install python3')
  const script = ['base', 'sh', '-c', 'echo ready; read -r x; echo "<$x>"; read -r y']
  const left = inTerminal(
    cli,
    ['run', '-it', '--name', 'left', ...script],
    [
      ['wait', 'ready'],
      // ctrl-p alone is for the program once it is clear that it is no beginning.
      ['send', 'a\x10b\n'],
      ['wait', '<a\x10b>'],
      ['send', '\x10\x11'],
    ],
  )
  assert.deepEqual([left.code, left.restored, left.left], [0, true, []], left.output)
  assert.equal(status('left'), 'running 0')
  const own = inTerminal(
    cli,
    ['run', '-it', '--name', 'own', '--detach-keys', 'ctrl-a,x', ...script],
    [
      ['wait', 'ready'],
      ['send', '\x01x'],
    ],
  )
  assert.deepEqual([own.code, own.restored], [0, true], own.output)
  const config = join(cli.dir, 'docker')
  mkdirSync(config)
  writeFileSync(join(config, 'config.json'), '{"detachKeys":"ctrl-b"}')
  const configured = inTerminal(
    cli.with({ DOCKER_CONFIG: config }),
    ['attach', 'own'],
    [
      ['send', 'in\n'],
      ['wait', '<in>'],
      ['send', '\x02'],
    ],
  )
  assert.deepEqual([configured.code, configured.left], [0, []], configured.output)
  assert.equal(status('own'), 'running 0')
  assert.equal(cli.run(['run', '--rm', '-it', '--detach-keys', 'ctrl-;', ...script]).code, 1)
})

test('a log turns when it is full: no line is lost or torn, and who follows it misses none', async (t) => {
  if (!(await requireBox(t))) return
  const { args, go } = waiting('turn', 'echo ready', '--log-opt', 'max-size=100k', '--log-opt', 'max-file=100')
  args[args.length - 1] = 'until [ -e /go/go ]; do sleep 0.05; done; seq 30000'
  args.splice(1, 0, '-d')
  cli.ok(args)
  const follow = cli.start(['logs', '-f', 'turn'])
  await new Promise((done) => setTimeout(done, 300))
  go()
  const wanted = `${Array.from({ length: 30000 }, (_, i) => i + 1).join('\n')}\n`
  const followed = await follow.ended
  assert.ok(followed.stdout === wanted, `${followed.stdout.length} of ${wanted.length} bytes`)
  const files = readdirSync(dirname(logOf('turn'))).filter((n) => n.startsWith('log.json'))
  assert.ok(files.length > 10, `${files.length} files`)
  assert.ok(cli.ok(['logs', 'turn']) === wanted)
  assert.equal(cli.ok(['logs', '-n', '2', 'turn']), '29999\n30000\n')
  for (const name of files) {
    const text = readFileSync(join(dirname(logOf('turn')), name), 'utf8')
    assert.ok(text.length < 101_000 && text.endsWith('}\n'), name)
  }
})

test('only so many files of a log are kept', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok(['run', '--name', 'few', '--log-opt', 'max-size=10k', '--log-opt', 'max-file=2', 'base', 'seq', '3000'])
  const files = readdirSync(dirname(logOf('few'))).filter((n) => n.startsWith('log.'))
  assert.deepEqual(files.sort(), ['log.json', 'log.json.1'])
  const lines = cli.ok(['logs', 'few']).trim().split('\n').map(Number)
  assert.equal(lines.at(-1), 3000)
  assert.deepEqual(
    lines,
    Array.from({ length: lines.length }, (_, i) => 3000 - lines.length + 1 + i),
  )
  cli.ok(['run', '--name', 'one', '--log-opt', 'max-size=10k', 'base', 'seq', '3000'])
  assert.deepEqual(
    readdirSync(dirname(logOf('one'))).filter((n) => n.startsWith('log.')),
    ['log.json'],
  )
})

test('drivers of logs: local, none, and others by name', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok(['run', '--name', 'near', '--log-driver', 'local', 'base', 'echo', 'x'])
  assert.equal(cli.ok(['logs', 'near']), 'x\n')
  assert.equal(format('near', '{{.HostConfig.LogConfig.Type}}'), 'local')
  cli.ok(['run', '--name', 'mute', '--log-driver', 'none', 'base', 'echo', 'x'])
  assert.match(cli.run(['logs', 'mute']).stderr, /configured logging driver does not support reading/)
  const refused = (...options: string[]) => cli.run(['run', '--rm', ...options, 'base', 'true'])
  assert.match(refused('--log-driver', 'journald').stderr, /cannot honour --log-driver=journald/)
  assert.match(refused('--log-driver', 'nosuch').stderr, /no log driver named 'nosuch' is registered/)
  assert.match(refused('--log-opt', 'nosuch=1').stderr, /unknown log opt 'nosuch' for json-file log driver/)
  assert.match(refused('--log-opt', 'max-file=0').stderr, /max-file cannot be less than 1/)
  assert.match(refused('--log-opt', 'max-size=x').stderr, /invalid size: 'x'/)
  assert.equal(refused('--log-opt', 'max-size=x').code, 125)
  const labels = ['--label', 'tier=web', '--label', 'other=1', '-e', 'A=b c']
  cli.ok(['run', '--name', 'said', ...labels, '--log-opt', 'labels=tier', '--log-opt', 'env=A', 'base', 'echo', 'x'])
  assert.equal(cli.ok(['logs', '--details', 'said']), 'A=b%20c,tier=web x\n')
})
