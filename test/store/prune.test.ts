import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseForPrune, type PrunePolicy } from '../../src/store/prune.js'
import type { CacheUsage } from '../../src/store/usage.js'

const usage = (id: string, usedMs: number, fields: Partial<CacheUsage> = {}): CacheUsage => ({
  id,
  type: 'regular',
  sizeBytes: 10,
  description: '',
  createdMs: 0,
  usedMs,
  mutable: false,
  inUse: false,
  shared: false,
  ...fields,
})

/** As the store lists it: the most lately used first. */
const all = [
  usage('new', 50),
  usage('busy', 40, { inUse: true }),
  usage('mount', 30, { type: 'exec.cachemount', mutable: true }),
  usage('image', 20, { shared: true }),
  usage('old', 10),
  usage('lead', 5, { type: 'internal' }),
]

const cases: [name: string, policy: Partial<PrunePolicy>, freeBytes: number, gone: string[]][] = [
  ['what nothing else has', {}, 0, ['new', 'mount', 'old']],
  ['with all, also what images share and what leads', { all: true }, 0, ['new', 'mount', 'image', 'old', 'lead']],
  ['what was not used for long', { usedBeforeMs: 30 }, 0, ['old']],
  ['what matches', { matches: (u) => u.type === 'exec.cachemount' }, 0, ['mount']],
  ['down to what is reserved, the longest unused first', { reservedBytes: 45 }, 0, ['old', 'mount']],
  ['nothing where less is used than reserved', { reservedBytes: 60 }, 0, []],
  ['down to the most that may be used', { all: true, maxUsedBytes: 40 }, 0, ['lead', 'old']],
  ['until enough of the disk is free', { all: true, minFreeBytes: 100 }, 85, ['lead', 'old']],
  ['nothing where enough is free', { all: true, minFreeBytes: 100 }, 100, []],
  ['never below what is reserved', { all: true, minFreeBytes: 100, reservedBytes: 50 }, 0, ['lead']],
  ['the smaller of two limits', { all: true, minFreeBytes: 100, maxUsedBytes: 50 }, 70, ['lead', 'old', 'image']],
]

for (const [name, policy, freeBytes, gone] of cases)
  test(`chooseForPrune() takes ${name}`, () => {
    const chosen = chooseForPrune(all, { all: false, matches: () => true, ...policy }, { freeBytes })
    assert.deepEqual(
      chosen.map((u) => u.id),
      gone,
    )
  })
