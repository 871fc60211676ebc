/** Containers in the background: their life, their logs, and what is left of them. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, before, test } from 'node:test'
import {
  HAS_SUBIDS,
  makeBase,
  mountsOf,
  processesOf,
  requireBox,
  sharedCli,
  startProgram,
  TSBOX,
} from '../helpers/cli.js'
import { isAlive, until } from '../helpers/userns.js'

const cli = sharedCli()
before(() => makeBase(cli, ['ps', 'seq']))
afterEach(() => {
  const ids = cli.run(['ps', '-aq']).stdout.split('\n').filter(Boolean)
  if (ids.length) cli.run(['rm', '-f', ...ids])
})

const SLEEP = 'trap "exit 0" TERM; while :; do sleep 0.05; done'
const detached = (name: string, script: string, ...options: string[]) =>
  cli.ok(['run', '-d', '--name', name, ...options, 'base', 'sh', '-c', script]).trim()
const format = (name: string, template: string) => cli.ok(['inspect', '-f', template, name]).trim()
const status = (name: string) => format(name, '{{.State.Status}} {{.State.ExitCode}}')
const ended = (name: string) => cli.ok(['wait', name]).trim()

for (const mode of HAS_SUBIDS ? ['subid', 'single'] : ['single'])
  test(`a container in the background outlives its command, in ${mode} mode`, async (t) => {
    if (!(await requireBox(t))) return
    const id = detached('back', `echo out; echo err >&2; ${SLEEP}`, `--userns=${mode}`)
    assert.match(id, /^[0-9a-f]{64}$/)
    assert.equal(status('back'), 'running 0')
    const [found] = cli.ok(['ps', '--no-trunc', '--format', '{{.ID}} {{.Names}} {{.State}}']).split('\n')
    assert.equal(found, `${id} back running`)
    const log = () => cli.run(['logs', 'back'])
    await until(() => log().stdout === 'out\n' && log().stderr === 'err\n')
    // Nothing of tsbox's own stays but the helper: no Node process.
    assert.deepEqual(
      processesOf(cli).filter((p) => p.command.includes('node')),
      [],
    )
    assert.equal(cli.ok(['stop', 'back']), 'back\n')
    assert.equal(status('back'), 'exited 0')
    assert.equal(cli.ok(['rm', 'back']), 'back\n')
    assert.deepEqual(cli.leftovers(), [])
  })

test('the log is of the form of docker, whatever the program prints', async (t) => {
  if (!(await requireBox(t))) return
  detached('form', 'printf "a \\"quoted\\" \\\\\\\\ tab\\t\\033[0m \\303\\244 \\377 end\\nno newline"')
  assert.equal(ended('form'), '0')
  const text = readFileSync(format('form', '{{.LogPath}}'), 'utf8')
  const lines = text
    .trimEnd()
    .split('\n')
    .map((l) => JSON.parse(l) as Record<string, string>)
  assert.deepEqual(
    lines.map((l) => [l.log, l.stream]),
    [
      ['a "quoted" \\ tab\t\u001b[0m ä \ufffd end\n', 'stdout'],
      ['no newline', 'stdout'],
    ],
  )
  for (const l of lines) assert.match(l.time!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
  assert.equal(statSync(format('form', '{{.LogPath}}')).mode & 0o777, 0o600)
})

test('logs are cut from the end, by time, and carry it when asked', async (t) => {
  if (!(await requireBox(t))) return
  detached('cut', 'seq 5')
  ended('cut')
  const logs = (...options: string[]) => cli.ok(['logs', ...options, 'cut'])
  assert.equal(logs(), '1\n2\n3\n4\n5\n')
  assert.equal(logs('-n', '2'), '4\n5\n')
  assert.equal(logs('--tail', '0'), '')
  assert.equal(logs('--tail=all'), logs())
  assert.equal(logs('--tail=-1'), logs())
  assert.equal(logs('--since', '1h'), logs())
  assert.equal(logs('--until', '1h'), '')
  assert.equal(logs('--since', '2999-01-01T00:00:00Z'), '')
  assert.match(logs('-t', '-n', '1'), /^\d{4}-\d\d-\d\dT\S+Z 5\n$/)
  assert.equal(cli.run(['logs', '--since', 'yesterday', 'cut']).code, 125)
})

test('following a log shows a burst whole, and ends with the container', async (t) => {
  if (!(await requireBox(t))) return
  detached('burst', 'read -r go < /go; seq 20000; sleep 0.1; seq 20001 30000; exit 3', '-v', `${fifo('go')}:/go`)
  const follow = cli.start(['logs', '-f', 'burst'])
  writeFileSync(join(cli.dir, 'go'), 'go\n')
  const ran = await follow.ended
  assert.equal(ran.code, 0, ran.stderr)
  const wanted = `${Array.from({ length: 30000 }, (_, i) => i + 1).join('\n')}\n`
  assert.ok(ran.stdout === wanted, `${ran.stdout.length} of ${wanted.length} bytes`)
  assert.equal(ended('burst'), '3')
})

function fifo(name: string): string {
  const path = join(cli.dir, name)
  assert.equal(spawnSync('mkfifo', [path]).status, 0)
  return path
}

test('a program that ignores the signal is killed after a while', async (t) => {
  if (!(await requireBox(t))) return
  detached('deaf', 'trap "" TERM; echo ready; while :; do sleep 0.05; done')
  await until(() => cli.run(['logs', 'deaf']).stdout === 'ready\n')
  cli.ok(['stop', '-t', '1', 'deaf'])
  assert.equal(status('deaf'), 'exited 137')
})

test('the signal that stops is the one asked for', async (t) => {
  if (!(await requireBox(t))) return
  const script = 'trap "exit 7" USR1; trap "exit 8" USR2; echo ready; while :; do sleep 0.05; done'
  const ready = (name: string) => until(() => cli.run(['logs', name]).stdout === 'ready\n')
  detached('own', script, '--stop-signal', 'SIGUSR1')
  await ready('own')
  cli.ok(['stop', 'own'])
  assert.equal(status('own'), 'exited 7')
  detached('given', script, '--stop-signal', 'SIGUSR1')
  await ready('given')
  cli.ok(['stop', '-s', 'USR2', 'given'])
  assert.equal(status('given'), 'exited 8')
})

test('kill sends any signal, and wants a container that runs', async (t) => {
  if (!(await requireBox(t))) return
  detached('hit', 'trap "echo got" USR1; echo ready; while :; do sleep 0.05; done')
  await until(() => cli.run(['logs', 'hit']).stdout === 'ready\n')
  cli.ok(['kill', '-s', 'USR1', 'hit'])
  await until(() => cli.run(['logs', 'hit']).stdout === 'ready\ngot\n')
  cli.ok(['kill', 'hit'])
  assert.equal(status('hit'), 'exited 137')
  const again = cli.run(['kill', 'hit'])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /cannot kill container: hit: container [0-9a-f]{64} is not running/)
  assert.match(cli.run(['kill', '-s', 'NOPE', 'hit']).stderr, /Invalid signal: NOPE/)
})

test('a stopped container starts again with its files and its log', async (t) => {
  if (!(await requireBox(t))) return
  const id = cli.ok(['create', '--name', 'again', 'base', 'sh', '-c', 'echo run >> /runs; cat /runs; exit 4']).trim()
  assert.equal(status('again'), 'created 0')
  assert.equal(cli.ok(['start', id.slice(0, 10)]), `${id.slice(0, 10)}\n`)
  assert.equal(ended('again'), '4')
  cli.ok(['start', 'again'])
  assert.equal(ended('again'), '4')
  assert.equal(cli.ok(['logs', 'again']), 'run\nrun\nrun\n')
  const ran = cli.run(['start', '-a', 'again'])
  assert.deepEqual([ran.code, ran.stdout], [4, 'run\nrun\nrun\n'])
  cli.ok(['restart', 'again'])
  assert.equal(ended('again'), '4')
  assert.equal(cli.ok(['logs', '-n', '1', 'again']), 'run\n')
})

test('one to be removed at its end leaves nothing', async (t) => {
  if (!(await requireBox(t))) return
  const id = detached(
    'gone',
    'mkdir /d; touch /d/f; chown 1000:1000 /d /d/f; chmod 000 /d; exit 5',
    '--rm',
    '-v',
    '/data',
  )
  const wait = cli.run(['wait', 'gone'])
  assert.ok(wait.code === 0 ? wait.stdout === '5\n' : /No such container/.test(wait.stderr), wait.stderr)
  await until(() => !existsSync(join(cli.root, 'containers', id)) && processesOf(cli).length === 0)
  assert.equal(cli.ok(['ps', '-aq']), '')
  assert.deepEqual(cli.leftovers(), [])
})

test('what can not start says why, and with --rm is not kept', async (t) => {
  if (!(await requireBox(t))) return
  const ran = cli.run(['run', '-d', '--name', 'none', 'base', 'no-such'])
  assert.deepEqual([ran.code, ran.stdout], [127, ''])
  assert.match(format('none', '{{.State.ExitCode}} {{.State.Error}}'), /^127 exec: "no-such"/)
  assert.equal(cli.run(['run', '-d', '--rm', 'base', '/etc/passwd']).code, 126)
  assert.equal(cli.ok(['ps', '-aq']).trim().split('\n').length, 1)
})

test('a monitor that is killed takes its container along, and ps knows', async (t) => {
  if (!(await requireBox(t))) return
  detached('lost', SLEEP)
  const payload = Number(format('lost', '{{.State.Pid}}'))
  assert.ok(isAlive(payload))
  const { runner } = JSON.parse(
    readFileSync(join(cli.root, 'containers', format('lost', '{{.Id}}'), 'record.json'), 'utf8'),
  ) as { runner: { pid: number } }
  process.kill(runner.pid, 'SIGKILL')
  await until(() => !isAlive(payload))
  assert.equal(status('lost'), 'exited 137')
  assert.equal(cli.ok(['ps', '-q']), '')
  cli.ok(['start', 'lost'])
  assert.equal(status('lost'), 'running 0')
})

test('a record of an earlier boot, or of a reused pid, is not taken for one that runs', async (t) => {
  if (!(await requireBox(t))) return
  const id = detached('old', SLEEP)
  cli.ok(['kill', 'old'])
  const file = join(cli.root, 'containers', id, 'record.json')
  const record = JSON.parse(readFileSync(file, 'utf8'))
  const exit = join(cli.root, 'containers', id, 'exit.json')
  spawnSync('rm', [exit])
  record.runner = { ...record.runner, pid: process.pid }
  writeFileSync(file, JSON.stringify(record))
  assert.equal(status('old'), 'exited 137')
  record.runner.bootId = '0'.repeat(32)
  writeFileSync(file, JSON.stringify(record))
  assert.equal(status('old'), 'exited 255')
  cli.ok(['rm', 'old'])
})

test('rm refuses what runs, unless forced', async (t) => {
  if (!(await requireBox(t))) return
  detached('busy', 'trap "" TERM INT; while :; do sleep 0.05; done')
  const refused = cli.run(['rm', 'busy'])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /cannot remove container "busy": container is running/)
  cli.ok(['rm', '-f', 'busy'])
  assert.deepEqual(cli.leftovers(), [])
})

test('the command that starts a container is held by nothing of it', async (t) => {
  if (!(await requireBox(t))) return
  // The shell reads to the end of file: whoever kept the pipe would make it wait.
  const script = `out=$("$0" run -d --name free base sleep 100 2>&1); echo "<\${#out}>"`
  const ran = await startProgram('sh', ['-c', script, TSBOX], { cwd: cli.dir, env: cli.env, detached: true }).ended
  assert.equal(ran.stdout, '<64>\n', ran.stderr)
  const monitor = processesOf(cli).find((p) => p.command.includes('tsbox-helper'))!
  const fields = readFileSync(`/proc/${monitor.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  assert.notEqual(Number(fields[3]), 0, 'a session of its own')
  assert.equal(Number(fields[4]), 0, 'and no terminal')
})

test('thirty containers at once start, list and stop', async (t) => {
  if (!(await requireBox(t))) return
  const names = Array.from({ length: 30 }, (_, i) => `many-${i}`)
  await Promise.all(names.map((n) => cli.start(['run', '-d', '--name', n, 'base', 'sleep', '1000']).ended))
  assert.equal(cli.ok(['ps', '-q']).trim().split('\n').length, 30)
  cli.ok(['stop', ...names])
  assert.equal(cli.ok(['ps', '-q']), '')
  assert.equal(cli.ok(['ps', '-aq', '--filter', 'exited=143']).trim().split('\n').length, 30)
  cli.ok(['container', 'prune', '-f'])
  assert.deepEqual([cli.leftovers(), mountsOf(cli.root)], [[], []])
})

test('names, labels, filters, ids in a file', async (t) => {
  if (!(await requireBox(t))) return
  const file = join(cli.dir, 'cid')
  const id = detached('first', SLEEP, '--label', 'tier=web', '-l', 'plain', '--cidfile', file)
  assert.equal(readFileSync(file, 'utf8'), id)
  assert.equal(cli.run(['run', '-d', '--cidfile', file, 'base', 'true']).code, 125)
  cli.ok(['create', '--name', 'second', '--label', 'tier=db', 'base', 'true'])
  const names = (...filters: string[]) =>
    cli.ok(['ps', '-a', '--format', '{{.Names}}', ...filters.flatMap((f) => ['--filter', f])]).trim()
  assert.equal(names('label=tier=web'), 'first')
  assert.equal(names('label=plain', 'label=tier=db'), '')
  assert.equal(names('status=created'), 'second')
  assert.equal(names('name=^sec'), 'second')
  assert.equal(names(`id=${id.slice(0, 8)}`), 'first')
  assert.equal(names('since=first'), 'second')
  assert.equal(names('ancestor=base'), 'second\nfirst')
  assert.equal(cli.run(['ps', '--filter', 'nope=1']).code, 1)
  cli.ok(['rename', 'second', 'third'])
  assert.equal(names('status=created'), 'third')
  assert.match(cli.run(['rename', 'third', 'first']).stderr, /already in use/)
  assert.equal(
    format('first', '{{index .Config.Labels "tier"}} {{.HostConfig.AutoRemove}} {{.Name}}'),
    'web false /first',
  )
})

test('a container that runs in the foreground is stopped and looked into like any other', async (t) => {
  if (!(await requireBox(t))) return
  const run = cli.start(['run', '--name', 'front', 'base', 'sh', '-c', `echo ready; ${SLEEP}`])
  await run.until(/ready/)
  assert.equal(cli.ok(['exec', 'front', 'sh', '-c', 'echo inside']), 'inside\n')
  cli.ok(['stop', 'front'])
  assert.equal((await run.ended).code, 0)
  assert.equal(status('front'), 'exited 0')
})

test('sizes of containers: what they changed, and with their image', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok(['run', '--name', 'sized', 'base', 'sh', '-c', 'echo 12345 >/file'])
  assert.match(cli.ok(['ps', '-as', '--format', 'table {{.Names}}\t{{.Size}}']), /^sized +6B \(virtual [\d.]+MB\)$/m)
  assert.match(cli.ok(['ps', '-as']).split('\n')[0]!, /NAMES +SIZE$/)
  const [found] = JSON.parse(cli.ok(['container', 'inspect', '-s', 'sized'])) as {
    SizeRw: number
    SizeRootFs: number
  }[]
  assert.equal(found!.SizeRw, 6)
  assert.ok(found!.SizeRootFs > 1000)
  const names = (...filters: string[]) =>
    cli.ok(['container', 'ls', '-a', '--format', '{{.Names}}', ...filters.flatMap((f) => ['--filter', f])]).trim()
  assert.deepEqual([names('health=none'), names('publish=80'), names('is-task=false')], ['sized', '', 'sized'])
})
