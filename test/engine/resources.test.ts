/** Limits of containers: docker's rules, and which of them a machine can keep. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { checkResources } from '../../src/engine/run/resources/check.js'
import type { ResourceRequest } from '../../src/engine/run/resources/request.js'
import { machine, resolveResources } from '../../src/engine/run/resources/resolve.js'

const MB = 1 << 20
const two = { cpus: [0, 1], mems: [0] }

const wrong: [request: ResourceRequest, message: RegExp][] = [
  [{ memoryBytes: 5 * MB }, /Minimum memory limit allowed is 6MB/],
  [{ memorySwapBytes: 8 * MB }, /You should always set the Memory limit when using Memoryswap limit/],
  [{ memoryBytes: 8 * MB, memorySwapBytes: 7 * MB }, /Minimum memoryswap limit should be larger than memory limit/],
  [{ memoryReservationBytes: 5 * MB }, /Minimum memory reservation allowed is 6MB/],
  [{ memoryBytes: 8 * MB, memoryReservationBytes: 9 * MB }, /can not be less than memory reservation limit/],
  [{ cpus: 1, cpuPeriodUs: 1000 }, /Nano CPUs and CPU Period cannot both be set/],
  [{ cpus: 1, cpuQuotaUs: 1000 }, /Nano CPUs and CPU Quota cannot both be set/],
  [{ cpus: 3 }, /Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available/],
  [{ cpus: 0.001 }, /Range of CPUs/],
  [{ cpuPeriodUs: 999 }, /CPU cfs period can not be less than 1ms/],
  [{ cpuPeriodUs: 1_000_001 }, /or larger than 1s/],
  [{ cpuQuotaUs: 999 }, /CPU cfs quota can not be less than 1ms/],
  [{ cpuShares: 1 }, /Range of CPU shares/],
  [{ cpusetCpus: '0-2' }, /Requested CPUs are not available - requested 0-2, available: 0,1/],
  [{ cpusetCpus: 'x' }, /Invalid value x for cpuset cpus/],
  [{ cpusetMems: '1' }, /Requested memory nodes are not available/],
  [{ blkioWeight: 9 }, /Range of blkio weight is from 10 to 1000/],
  [{ memorySwappiness: 101 }, /valid memory swappiness range is 0-100/],
]
for (const [request, message] of wrong)
  test(`limits that docker refuses: ${JSON.stringify(request)}`, () => {
    assert.throws(() => checkResources(request, two), message)
  })

test('a limit that is changed is measured against those that hold', () => {
  assert.throws(
    () => checkResources({ memoryBytes: 9 * MB }, two, { memorySwapBytes: 8 * MB }),
    /already set memoryswap/,
  )
  assert.equal(checkResources({ memorySwapBytes: 9 * MB }, two, { memoryBytes: 8 * MB }).memorySwapBytes, 9 * MB)
})

test('zero is no limit, and so is a negative quota', () => {
  const none = checkResources({ memoryBytes: 0, cpus: 0, pids: 0, cpuShares: 0, cpuQuotaUs: -1, blkioWeight: 0 }, two)
  assert.deepEqual(
    Object.values(none).filter((v) => v !== undefined),
    [],
  )
  assert.deepEqual(
    [checkResources({ cpus: 1.5 }, two).cpuQuotaUs, checkResources({ pids: -7 }, two).pids],
    [150_000, -1],
  )
})

test('what this process may use is what there is', () => {
  assert.deepEqual(machine('Cpus_allowed:\tff\nCpus_allowed_list:\t0-2,5\nMems_allowed_list:\t0\n'), {
    cpus: [0, 1, 2, 5],
    mems: [0],
  })
})

/** A cgroup that looks as if some controllers had been handed over. */
function imitation(t: TestContext, controllers: string): Record<string, string> {
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-cgroup-'))
  t.after(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'cgroup.controllers'), controllers)
  for (const file of ['cgroup.procs', 'cgroup.subtree_control']) writeFileSync(join(dir, file), '')
  return { TSBOX_CGROUP: dir }
}

test('an imitation: with every controller, every limit is kept and nothing is said', async (t) => {
  const asked = { memoryBytes: 64 * MB, cpus: 0.5, pids: 5, cpusetCpus: '0', blkioWeight: 100 }
  const warnings: string[] = []
  const found = await resolveResources(asked, imitation(t, 'cpuset cpu io memory pids'), (w) => warnings.push(w))
  assert.deepEqual(found, {
    limits: { memoryBytes: 64 * MB, cpuQuotaUs: 50_000, cpusetCpus: '0', pids: 5, blkioWeight: 100 },
    parent: undefined,
  })
  assert.deepEqual(warnings, [])
})

test('without controllers, docker discards most limits with a warning each, and refuses --cpus', async (t) => {
  const env = imitation(t, '')
  const warnings: string[] = []
  const asked = { memoryBytes: 64 * MB, memorySwapBytes: -1, cpuShares: 5, pids: 5, cpusetCpus: '0', blkioWeight: 100 }
  const found = await resolveResources({ ...asked, oomKillDisable: true, memorySwappiness: 5 }, env, (w) => {
    warnings.push(w)
  })
  assert.deepEqual(found, { limits: {}, parent: undefined, processes: 5, processors: [0] })
  const expected = [
    /memory swappiness discarded/,
    /OomKillDisable discarded/,
    /no cpuset controller: .* start on processors 0, and can leave them/,
    /no memory controller: memory limit, swap limit discarded; .+/,
    /no cpu controller: CPU shares discarded; .+/,
    /no io controller: block I\/O weight discarded; .+/,
  ]
  assert.equal(warnings.length, expected.length)
  expected.forEach((pattern, i) => {
    assert.match(warnings[i]!, pattern)
  })
  await assert.rejects(
    resolveResources({ cpus: 1 }, env, () => {}),
    /NanoCPUs can not be set/,
  )
})
