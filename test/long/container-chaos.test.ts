/** Whatever is killed with SIGKILL at any moment, the next command works on what it left, and removes it. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Cli, HAS_SUBIDS, makeBase, mountsOf, processesOf, requireBox, sharedCli } from '../helpers/cli.js'
import { until } from '../helpers/userns.js'

after(() => {
  const ids = cli.run(['ps', '-aq']).stdout.split('\n').filter(Boolean)
  if (ids.length) cli.run(['rm', '-f', ...ids])
})
const cli = sharedCli()
before(() => makeBase(cli, ['seq', 'touch']))

const ROUNDS = Number(process.env.TSBOX_CHAOS_ROUNDS ?? 6)
const MODES = HAS_SUBIDS ? ['subid', 'single'] : ['single']

/** A command that is interrupted, and what must hold afterwards. */
interface Case {
  name: string
  /** Makes what the command works on. */
  prepare?: (box: Cli, id: string, mode: string) => void
  args: (id: string) => string[]
}

const SLEEP = 'trap "exit 0" TERM; echo ready; while :; do sleep 0.02; done'
const CASES: Case[] = [
  { name: 'run --rm', args: (id) => ['run', '--rm', '--name', id, 'base', 'sh', '-c', 'seq 2000; sleep 0.1'] },
  { name: 'run', args: (id) => ['run', '--name', id, 'base', 'sh', '-c', 'touch /made; seq 2000; sleep 0.1'] },
  { name: 'run -d', args: (id) => ['run', '-d', '--name', id, 'base', 'sh', '-c', SLEEP] },
  { name: 'run -d --rm', args: (id) => ['run', '-d', '--rm', '--name', id, 'base', 'sh', '-c', 'sleep 0.3'] },
  { name: 'create', args: (id) => ['create', '--name', id, '-v', 'vol:/v', 'base', 'true'] },
  {
    name: 'start',
    prepare: (box, id, mode) => box.ok(['create', mode, '--name', id, 'base', 'sh', '-c', SLEEP]),
    args: (id) => ['start', id],
  },
  {
    name: 'stop',
    prepare: (box, id, mode) => box.ok(['run', mode, '-d', '--name', id, 'base', 'sh', '-c', SLEEP]),
    args: (id) => ['stop', '-t', '1', id],
  },
  {
    name: 'rm -f',
    prepare: (box, id, mode) => box.ok(['run', mode, '-d', '--name', id, 'base', 'sh', '-c', SLEEP]),
    args: (id) => ['rm', '-f', id],
  },
  {
    name: 'exec',
    prepare: (box, id, mode) => box.ok(['run', mode, '-d', '--name', id, 'base', 'sh', '-c', SLEEP]),
    args: (id) => ['exec', id, 'sh', '-c', 'touch /x; seq 1000'],
  },
  {
    name: 'cp in',
    prepare: (box, id, mode) => box.ok(['create', mode, '--name', id, 'base', 'true']),
    args: (id) => ['cp', '/usr/bin', `${id}:/copied`],
  },
  {
    name: 'commit',
    prepare: (box, id, mode) => box.ok(['run', mode, '--name', id, 'base', 'sh', '-c', 'seq 5000 >/file']),
    args: (id) => ['commit', id, `made-${id}`],
  },
]

/** All processes of the test, the monitors too: those keep no environment, but live in the store or in its helper. */
function victims(box: Cli): number[] {
  const marked = processesOf(box).map((p) => p.pid)
  const held = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => usesStore(pid, box.root))
  return [...new Set([...marked, ...held])].filter((pid) => pid !== process.pid)
}

function usesStore(pid: number, root: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(`${root}/`))
  } catch {
    return false
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {}
}

for (const mode of MODES)
  for (const { name, prepare, args } of CASES)
    for (const whom of ['the command', 'one of its processes', 'all of them'])
      test(`${name} in ${mode} mode, ${whom} killed at any moment`, async (t) => {
        if (!(await requireBox(t))) return
        const box = cli
        for (let round = 0; round < ROUNDS; round++) {
          const id = `chaos-${round}`
          prepare?.(box, id, `--userns=${mode}`)
          const [verb, ...rest] = args(id)
          const takesMode = verb === 'run' || verb === 'create'
          const run = box.start([verb!, ...(takesMode ? [`--userns=${mode}`] : []), ...rest])
          // From the first millisecond to beyond the end of most.
          await new Promise((done) => setTimeout(done, (round * 220) / ROUNDS))
          const found = whom === 'the command' ? [run.pid] : victims(box)
          if (whom === 'one of its processes') kill(found[round % Math.max(found.length, 1)] ?? run.pid)
          else for (const pid of found) kill(pid)
          kill(run.pid)
          await run.ended
          usable(box, id)
        }
        box.ok(['system', 'prune', '-f'])
        await until(() => processesOf(box).length === 0)
        box.ok(['container', 'prune', '-f'])
        const folders = readNames(join(box.root, 'containers'))
        assert.deepEqual(
          folders.filter((name) => !existsSync(join(box.root, 'containers', name, 'record.json'))),
          [],
        )
        assert.deepEqual(mountsOf(box.root), [])
        const tmp = join(box.root, 'tmp')
        assert.deepEqual(readNames(tmp), [])
      })

/** The next commands see a container that is there or not, start what can be started, and remove it. */
function usable(box: Cli, id: string): void {
  const listed = box.ok(['ps', '-a', '--format', '{{.Names}} {{.State}}']).trim().split('\n').filter(Boolean)
  for (const line of listed) {
    const [name, state] = line.split(' ')
    assert.match(state!, /^(created|running|exited)$/, line)
    // One with --rm may go at any moment.
    const inspected = box.run(['inspect', '-f', '{{.State.Status}}', name!])
    if (inspected.code !== 0) assert.match(inspected.stderr, /no such|No such/)
  }
  const removed = box.run(['rm', '-f', id])
  if (removed.code !== 0) assert.match(removed.stderr, /No such container/)
  assert.equal(box.ok(['run', '--rm', '--name', id, 'base', 'sh', '-c', 'echo fine']), 'fine\n')
  for (const name of readNames(join(box.root, 'containers'))) {
    const record = join(box.root, 'containers', name, 'record.json')
    // A folder without one never became a container: prune takes it away.
    if (existsSync(record)) JSON.parse(readFileSync(record, 'utf8'))
  }
}

function readNames(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}
