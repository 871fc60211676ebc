/**
 * Cgroups: where they are, what limits are in their files, and who makes them. Placement is tested on real cgroups; what
 * the files of controllers say is tested on an imitation, a folder with files of these names.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CgroupFs } from '../../src/rootless/cgroup/cgroupfs.js'
import { cpuMask, cpuWeight, ioWeight, limitFiles, parseCpuList } from '../../src/rootless/cgroup/limits.js'
import { findManager } from '../../src/rootless/cgroup/manager.js'
import { cgroupOf, parseSite } from '../../src/rootless/cgroup/site.js'
import { connectSystemd } from '../../src/rootless/cgroup/systemd.js'
import { handedOver, unitProperties, userSystemd } from '../helpers/cgroup.js'

const V2 = '30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw'
const sites: [what: string, mountinfo: string, membership: string, own: string | undefined, hybrid: boolean][] = [
  ['unified', V2, '0::/user.slice/a.scope', '/sys/fs/cgroup/user.slice/a.scope', false],
  ['the root', V2, '0::/', '/sys/fs/cgroup', false],
  ['a part, as in a container', V2.replace(' / ', ' /docker/x '), '0::/docker/x/y', '/sys/fs/cgroup/y', false],
  ['outside of the part', V2.replace(' / ', ' /docker/x '), '0::/docker/z', undefined, false],
  ['outside of the namespace', V2, '0::/../other', undefined, false],
  [
    'hybrid',
    '31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n32 24 0:28 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw',
    '9:memory:/x\n0::/y',
    '/sys/fs/cgroup/uni fied/y',
    true,
  ],
]
for (const [what, mountinfo, membership, own, hybrid] of sites)
  test(`a process is found in its cgroup: ${what}`, () => {
    const site = parseSite(mountinfo, membership)
    assert.equal(site?.own, own)
    assert.equal(site?.hybrid, hybrid)
  })

test('a machine without cgroup v2 has no site', () => {
  assert.equal(parseSite('31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory', '9:memory:/x'), undefined)
})

test('lists of processors', () => {
  assert.deepEqual(parseCpuList('0-2,7,1'), [0, 1, 2, 7])
  for (const wrong of ['', 'a', '3-1', '0,', '-1', '0-99999']) assert.equal(parseCpuList(wrong), undefined, wrong)
  assert.deepEqual([...cpuMask([0, 1, 9])], [3, 2])
})

test('weights are those of runc', () => {
  assert.deepEqual([2, 1024, 262144].map(cpuWeight), [1, 39, 10000])
  assert.deepEqual([10, 500, 1000].map(ioWeight), [1, 4950, 10000])
})

const MB = 1 << 20
const files: [what: string, limits: Parameters<typeof limitFiles>[0], files: Record<string, string>][] = [
  ['memory takes as much swap', { memoryBytes: 64 * MB }, { 'memory.max': '67108864', 'memory.swap.max': '67108864' }],
  ['no swap', { memoryBytes: 8 * MB, memorySwapBytes: 8 * MB }, { 'memory.max': '8388608', 'memory.swap.max': '0' }],
  ['all swap', { memoryBytes: 8 * MB, memorySwapBytes: -1 }, { 'memory.max': '8388608', 'memory.swap.max': 'max' }],
  ['a reservation', { memoryReservationBytes: 7 * MB }, { 'memory.low': '7340032' }],
  ['a quota', { cpuQuotaUs: 150_000 }, { 'cpu.max': '150000 100000' }],
  ['a period', { cpuPeriodUs: 50_000 }, { 'cpu.max': 'max 50000' }],
  ['shares', { cpuShares: 512 }, { 'cpu.weight': '20' }],
  ['sets', { cpusetCpus: '0-1', cpusetMems: '0' }, { 'cpuset.cpus': '0-1', 'cpuset.mems': '0' }],
  ['processes, and the one that is tsbox', { pids: 10 }, { 'pids.max': '11' }],
  ['any number of processes', { pids: -1 }, { 'pids.max': 'max' }],
  ['disk time', { blkioWeight: 500 }, { 'io.weight': '4950' }],
]
for (const [what, limits, expected] of files)
  test(`limits are written into files: ${what}`, () =>
    assert.deepEqual(Object.fromEntries(limitFiles(limits)), expected))

/** A folder that looks like a cgroup with all controllers. */
function imitation(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-cgroup-'))
  t.after(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'cgroup.controllers'), 'cpuset cpu io memory pids\n')
  writeFileSync(join(dir, 'cgroup.subtree_control'), 'cpu\n')
  writeFileSync(join(dir, 'cgroup.procs'), '')
  return dir
}

test('an imitation: a container gets a cgroup with its limits, and is moved into it', async (t) => {
  const dir = imitation(t)
  const manager = new CgroupFs(dir)
  assert.deepEqual([...manager.controllers].sort(), ['cpu', 'cpuset', 'io', 'memory', 'pids'])
  const open = await manager.open('0123456789abcdef'.repeat(4), { memoryBytes: 64 * MB, pids: 5, cpuShares: 1024 })
  assert.equal(readFileSync(join(dir, 'cgroup.subtree_control'), 'utf8'), '+memory +pids', 'what is there stays')
  const cgroup = await open.enter(4711)
  assert.equal(cgroup.dir, open.leftover)
  assert.equal(readFileSync(join(cgroup.dir, 'cgroup.procs'), 'utf8'), '4711')
  assert.equal(readFileSync(join(cgroup.dir, 'pids.max'), 'utf8'), '6')
  await manager.update(cgroup, { pids: 7 })
  assert.equal(readFileSync(join(cgroup.dir, 'pids.max'), 'utf8'), '8')
  await assert.rejects(manager.open('0123456789abcdef'.repeat(4), {}), /make cgroup: EEXIST/)
})

test('a directory that is no cgroup of ours is refused by name', async () => {
  for (const parent of ['/', '/nowhere', 'relative'])
    await assert.rejects(findManager({ env: {}, parent, systemd: false }), /no cgroup that this user may write to/)
})

test('a real cgroup takes a process, freezes it, kills it, and is removed', async (t) => {
  const dir = handedOver(t)
  if (dir === undefined) return
  const manager = await findManager({ env: { TSBOX_CGROUP: dir }, systemd: false })
  assert.equal(manager?.kind, 'cgroupfs')
  const open = await manager!.open('f'.repeat(64), {})
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
  const gone = new Promise((done) => child.on('exit', (_, signal) => done(signal)))
  const cgroup = await open.enter(child.pid!)
  assert.equal(cgroupOf(child.pid!), cgroup.dir)
  writeFileSync(join(cgroup.dir, 'cgroup.freeze'), '1')
  writeFileSync(join(cgroup.dir, 'cgroup.kill'), '1')
  assert.equal(await gone, 'SIGKILL')
  open.abandon()
  assert.equal(existsSync(cgroup.dir), false)
})

test('a real systemd takes a process into a scope, and knows every limit', async (t) => {
  const runtime = await userSystemd(t)
  if (runtime === undefined) return
  const env = { XDG_RUNTIME_DIR: runtime }
  const manager = (await findManager({ env, systemd: true }))!
  assert.equal(manager.kind, 'systemd')
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  const open = await manager.open('d'.repeat(64), {
    memoryBytes: 64 * MB,
    memorySwapBytes: -1,
    memoryReservationBytes: 32 * MB,
    cpuQuotaUs: 75_000,
    cpuPeriodUs: 50_000,
    cpuShares: 512,
    cpusetCpus: '0-1',
    cpusetMems: '0',
    pids: 20,
    blkioWeight: 500,
  })
  const { dir, unit } = await open.enter(child.pid!)
  assert.equal(cgroupOf(child.pid!), dir)
  const shown = unitProperties(runtime, unit!)
  const expected = {
    MemoryMax: '67108864',
    MemorySwapMax: 'infinity',
    MemoryLow: '33554432',
    CPUQuotaPerSecUSec: '1.500000s',
    CPUQuotaPeriodUSec: '50ms',
    CPUWeight: '20',
    AllowedCPUs: '0-1',
    AllowedMemoryNodes: '0',
    TasksMax: '21',
    IOWeight: '4950',
    Delegate: 'yes',
  }
  for (const [name, value] of Object.entries(expected)) assert.equal(shown.get(name), value, name)
  await manager.update({ dir, unit }, { pids: 30 })
  assert.equal(unitProperties(runtime, unit!).get('TasksMax'), '31')
  await assert.rejects(
    manager.update({ dir, unit: 'nowhere.scope' }, { pids: 1 }),
    /systemd: .*(NoSuchUnit|not loaded)/,
  )
  manager.close()
})

test('where no systemd answers, nobody is taken for it', async (t) => {
  const runtime = mkdtempSync(join(tmpdir(), 'tsbox-runtime-'))
  t.after(() => rmSync(runtime, { recursive: true }))
  mkdirSync(join(runtime, 'systemd'))
  const site = { mount: '/sys/fs/cgroup', hybrid: false, own: undefined }
  assert.equal(await connectSystemd({ XDG_RUNTIME_DIR: runtime }, site), undefined)
  assert.deepEqual(readdirSync(runtime), ['systemd'])
})
