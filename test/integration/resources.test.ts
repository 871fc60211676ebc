/**
 * Limits, freezing and measuring of containers, with a cgroup and without. What is limited without one (processes,
 * processors) is tested for real; cgroups of memory and processor time on an imitation, see test/rootless/cgroup.test.ts.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { handedOver, unitProperties, userSystemd } from '../helpers/cgroup.js'
import { type Cli, HAS_SUBIDS, makeBase, requireBox, sharedCli, TSBOX } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))
const MODES = HAS_SUBIDS ? ['subid', 'single'] : ['single']

/** Starts processes that stay, until one can't be started; says how many there were. */
const BOMB = 'i=0; while sleep 60 & do i=$((i+1)); echo $i; done'

for (const mode of MODES)
  for (const user of ['0', '7'])
    test(`${mode}: --pids-limit holds against a fork bomb of user ${user}`, async (t) => {
      if (!(await requireBox(t))) return
      const args = ['run', '--rm', '--userns', mode, '-u', user, '--pids-limit', '12']
      const { stdout, stderr } = cli.run([...args, 'base', 'sh', '-c', BOMB])
      assert.match(stderr, /[Cc]annot fork|Resource temporarily unavailable/)
      const most = Number(stdout.trim().split('\n').at(-1))
      // The shell is one, and a few of tsbox's own are counted, which come and go.
      assert.ok(most >= 10 && most <= 20, `${most} processes`)
    })

if (HAS_SUBIDS)
  test('no change of ids gets around --pids-limit', async (t) => {
    if (!(await requireBox(t))) return
    const bombs = Array.from({ length: 8 }, (_, i) => `chroot --userspec=${i + 1}:${i + 1} / sh -c '${BOMB}' &`).join(
      '\n',
    )
    const script = `${bombs}\nwait`
    const ran = cli.run(['run', '--rm', '--pids-limit', '30', 'with-chroot', 'sh', '-c', script])
    assert.match(ran.stderr, /[Cc]annot fork|Resource temporarily unavailable/)
    const started = ran.stdout.trim().split('\n').length
    assert.ok(started <= 38, `${started} processes`)
  })
before(() => makeBase(cli, ['chroot']))
before(() => cli.ok(['tag', 'base', 'with-chroot']))

for (const mode of MODES)
  test(`${mode}: the limit of processes holds for exec, and after another start`, async (t) => {
    if (!(await requireBox(t))) return
    const args = ['run', '-d', '--name', `n-${mode}`, '--userns', mode, '--pids-limit', '8', 'base', 'sleep', '1000']
    cli.ok(args)
    assert.match(cli.run(['exec', `n-${mode}`, 'sh', '-c', BOMB]).stderr, /[Cc]annot fork|unavailable/)
    cli.ok(['restart', '-t', '0', `n-${mode}`])
    assert.match(cli.run(['exec', `n-${mode}`, 'sh', '-c', BOMB]).stderr, /[Cc]annot fork|unavailable/)
    cli.ok(['rm', '-f', `n-${mode}`])
  })

test('what can not be limited here is said once each, and docker refuses --cpus', async (t) => {
  if (!(await requireBox(t))) return
  const bare = cli.with({ XDG_RUNTIME_DIR: '/nowhere', DBUS_SESSION_BUS_ADDRESS: '', TSBOX_CGROUP: noController(cli) })
  const ran = bare.run([
    'run',
    '--rm',
    '-m',
    '64m',
    '--cpuset-cpus',
    '0',
    'base',
    'grep',
    'Cpus_allowed_list',
    '/proc/self/status',
  ])
  assert.match(ran.stdout, /:\t0$/m)
  assert.match(
    ran.stderr,
    /^WARNING: there is no cpuset controller: .*\nWARNING: there is no memory controller: memory limit discarded; .*\n$/,
  )
  const refused = bare.run(['run', '--rm', '--cpus', '0.5', 'base', 'true'])
  assert.match(refused.stderr, /NanoCPUs can not be set[\s\S]*hint: /)
  assert.equal(refused.code, 125)
})

/** A cgroup that looks as if nothing could be limited in it. */
function noController(cli: Cli): string {
  const dir = mkdtempSync(join(cli.dir, 'cgroup-'))
  for (const file of ['cgroup.controllers', 'cgroup.procs', 'cgroup.subtree_control'])
    writeFileSync(join(dir, file), '')
  return dir
}

test('an imitation: limits of memory and time are in the files of the cgroup, and update changes them', async (t) => {
  if (!(await requireBox(t))) return
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-cgroup-'))
  t.after(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'cgroup.controllers'), 'cpuset cpu io memory pids')
  for (const file of ['cgroup.procs', 'cgroup.subtree_control']) writeFileSync(join(dir, file), '')
  const limited = cli.with({ TSBOX_CGROUP: dir })
  const id = limited.ok(['run', '-d', '--name', 'im', '-m', '64m', '--cpus', '0.5', 'base', 'sleep', '1000']).trim()
  const group = join(dir, `tsbox-${id.slice(0, 24)}`)
  const has = (file: string) => readFileSync(join(group, file), 'utf8')
  assert.deepEqual(['memory.max', 'memory.swap.max', 'cpu.max'].map(has), ['67108864', '67108864', '50000 100000'])
  const [info] = JSON.parse(limited.ok(['inspect', 'im']))
  assert.equal(has('cgroup.procs'), readFileSync(`/proc/${info.State.Pid}/stat`, 'utf8').split(' ')[3])
  assert.equal(info.HostConfig.Memory, 64 << 20)
  limited.ok(['update', '-m', '32m', '--memory-swap=-1', 'im'])
  assert.deepEqual(['memory.max', 'memory.swap.max', 'cpu.max'].map(has), ['33554432', 'max', '50000 100000'])
  limited.ok(['rm', '-f', 'im'])
})

test('a container is in a cgroup that was handed over, sees no more than that, and leaves nothing', async (t) => {
  const dir = handedOver(t)
  if (dir === undefined || !(await requireBox(t))) return
  const placed = cli.with({ TSBOX_CGROUP: dir })
  const inside = 'cat /proc/self/cgroup; ls /sys/fs/cgroup/cgroup.procs; cat /sys/fs/cgroup/cgroup.procs'
  const seen = placed.ok(['run', '--rm', '--network', 'none', 'base', 'sh', '-c', inside])
  assert.match(seen, /^0::\/$/m)
  assert.match(seen, /cgroup\.procs\n1\n2\n\d+\n$/)
  const id = placed.ok(['run', '-d', '--name', 'cg', 'base', 'sleep', '1000']).trim()
  const group = join(dir, `tsbox-${id.slice(0, 24)}`)
  assert.equal(readFileSync(join(group, 'cgroup.procs'), 'utf8').trim().split('\n').length, 2)
  const write = placed.run(['exec', 'cg', 'sh', '-c', `echo 1 > ${group.replace(dir, '/sys/fs/cgroup')}/cgroup.procs`])
  assert.notEqual(write.code, 0)
  placed.ok(['rm', '-f', 'cg'])
  assert.equal(existsSync(group), false)
})

test('where our own cgroup was handed over, the container is below that', async (t) => {
  const dir = handedOver(t)
  if (dir === undefined || !(await requireBox(t))) return
  const own = join(dir, `own-${process.pid}`)
  mkdirSync(own)
  const script = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
  const start = [TSBOX, 'run', '-d', '--name', 'own', 'base', 'sleep', '1000']
  const { stdout } = spawnSync('sh', ['-c', script, own, ...start], { env: cli.env, encoding: 'utf8' })
  const group = join(own, `tsbox-${stdout.trim().slice(0, 24)}`)
  assert.equal(readFileSync(join(group, 'cgroup.procs'), 'utf8').trim().split('\n').length, 2)
  cli.ok(['rm', '-f', 'own'])
  // The monitor was in there, too.
  while (readFileSync(join(own, 'cgroup.procs'), 'utf8') !== '') await new Promise((done) => setTimeout(done, 20))
  rmdirSync(own)
})

test('a systemd of the user has the container in a scope, and takes that away', async (t) => {
  const runtime = await userSystemd(t)
  if (runtime === undefined || !(await requireBox(t))) return
  const placed = cli.with({ XDG_RUNTIME_DIR: runtime, DBUS_SESSION_BUS_ADDRESS: '' })
  placed.ok(['run', '-d', '--name', 'sd', '--cgroup-parent', 'app.slice', 'base', 'sleep', '1000'])
  const folder = join(cli.root, 'containers', JSON.parse(placed.ok(['inspect', 'sd']))[0].Id)
  const { dir, unit } = JSON.parse(readFileSync(join(folder, 'cgroup.json'), 'utf8'))
  assert.match(dir, /\/app\.slice\/tsbox-.*\.scope$/)
  assert.equal(unitProperties(runtime, unit).get('ActiveState'), 'active')
  placed.ok(['pause', 'sd'])
  assert.match(readFileSync(join(dir, 'cgroup.events'), 'utf8'), /frozen 1/)
  placed.ok(['rm', '-f', 'sd'])
  while (unitProperties(runtime, unit).get('LoadState') !== 'not-found')
    await new Promise((done) => setTimeout(done, 20))
  const refused = cli.with({ XDG_RUNTIME_DIR: '/nowhere', DBUS_SESSION_BUS_ADDRESS: '' })
  const ran = refused.run(['run', '--rm', '--cgroup-parent', 'x.slice', 'base', 'true'])
  assert.match(ran.stderr, /no systemd manager of this user answers: "x.slice"[\s\S]*hint: /)
})

/** Where a container is paused: by the freezer, and by a signal. */
for (const by of ['cgroup', 'signal'])
  test(`a paused container does nothing, can't be entered, and goes on: by ${by}`, async (t) => {
    const dir = by === 'cgroup' ? handedOver(t) : noController(cli)
    if (dir === undefined || !(await requireBox(t))) return
    const box = cli.with(by === 'cgroup' ? { TSBOX_CGROUP: dir } : {})
    const name = `p-${by}`
    box.ok(['run', '-d', '--name', name, 'base', 'sh', '-c', 'while :; do echo x; sleep 0.01; done'])
    const lines = () => box.ok(['logs', name]).length
    while (lines() === 0);
    box.ok(['pause', name])
    assert.match(
      box.ok(['ps', '--filter', 'status=paused', '--format', '{{.Names}} {{.State}} {{.Status}}']),
      /paused Up .*\(Paused\)/,
    )
    assert.deepEqual(JSON.parse(box.ok(['inspect', name]))[0].State.Paused, true)
    // What was under way is in the log by now.
    const held = lines()
    assert.match(box.run(['exec', name, 'true']).stderr, /is paused, unpause the container before exec/)
    assert.match(box.run(['pause', name]).stderr, /is already paused/)
    assert.equal(lines(), held)
    box.ok(['unpause', name])
    while (lines() === held);
    assert.match(box.run(['unpause', name]).stderr, /is not paused/)
    box.ok(['pause', name])
    box.ok(['stop', name])
    assert.equal(JSON.parse(box.ok(['inspect', name]))[0].State.ExitCode, 143)
    box.ok(['start', name])
    box.ok(['pause', name])
    box.ok(['rm', '-f', name])
  })

test('stats has docker’s columns, and update refuses what no cgroup can change', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok(['run', '-d', '--name', 'st', 'base', 'sh', '-c', 'sleep 1000 & sleep 1000'])
  cli.ok(['create', '--name', 'not', 'base', 'true'])
  const table = cli.ok(['stats', '--no-stream'])
  assert.match(table, /^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS\n/)
  assert.match(table, /st +\d+\.\d\d% +[\d.]+[KM]?i?B \/ [\d.]+[GM]iB +\d+\.\d\d% +0B \/ 0B +.* 3\n$/)
  const all = cli.ok(['stats', '-a', '--no-stream', '--format', '{{.Name}}={{.PIDs}}']).trim().split('\n')
  assert.deepEqual(all.sort(), ['not=0', 'st=3'])
  const ran = cli.run(['update', '--pids-limit', '5', 'st'])
  assert.match(ran.stderr, /no cgroup can change these limits[\s\S]*hint: tsbox stop st/)
  assert.match(cli.run(['update', 'st']).stderr, /you must provide one or more flags/)
  cli.ok(['update', '--pids-limit', '5', 'not'])
  assert.equal(JSON.parse(cli.ok(['inspect', 'not']))[0].HostConfig.PidsLimit, 5)
  cli.ok(['rm', '-f', 'st', 'not'])
  assert.deepEqual(readdirSync(join(cli.root, 'containers')), [])
})
