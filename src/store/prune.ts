import { collectGarbage, type GcResult } from './gc.js'
import type { Lease } from './lease.js'
import { removePacked } from './packed-usage.js'
import type { Store } from './store.js'
import type { RemoveTrees } from './trash.js'
import { type CacheUsage, LayerSizes } from './usage.js'

/** What of the build cache goes. Sizes are bytes; a limit that is undefined or 0 is none. */
export interface PrunePolicy {
  /** Also what images share, and what only leads to results. */
  all: boolean
  /** Milliseconds since 1970: what was used after it stays. */
  usedBeforeMs?: number | undefined
  matches(usage: CacheUsage): boolean
  /** What may always be kept. */
  reservedBytes?: number | undefined
  /** What may be kept at most. */
  maxUsedBytes?: number | undefined
  /** What is to be free on the disk afterwards. */
  minFreeBytes?: number | undefined
}

/** What is on the disk of the store. */
export interface DiskState {
  freeBytes: number
}

/**
 * Chooses what a policy removes: the longest unused first, until enough is gone.
 *
 * @param all as {@link cacheUsage} lists it
 * @see moby/buildkit cache/manager.go, calculateKeepBytes
 */
export function chooseForPrune(all: readonly CacheUsage[], policy: PrunePolicy, disk: DiskState): CacheUsage[] {
  const candidates = all.filter(
    (u) =>
      !u.inUse &&
      (policy.all || (u.type !== 'internal' && !u.shared)) &&
      (policy.usedBeforeMs === undefined || u.usedMs < policy.usedBeforeMs) &&
      policy.matches(u),
  )
  const keep = keepBytes(sum(all), policy, disk)
  if (keep === undefined) return candidates
  const chosen: CacheUsage[] = []
  let total = sum(all)
  for (const usage of candidates.toReversed()) {
    if (total <= keep) break
    chosen.push(usage)
    total -= usage.sizeBytes
  }
  return chosen
}

/** Undefined where no limit is set. */
function keepBytes(total: number, policy: PrunePolicy, disk: DiskState): number | undefined {
  const { reservedBytes = 0, maxUsedBytes = 0, minFreeBytes = 0 } = policy
  if (reservedBytes === 0 && maxUsedBytes === 0 && minFreeBytes === 0) return undefined
  const missing = minFreeBytes - disk.freeBytes
  const most = maxUsedBytes > 0 ? maxUsedBytes : minFreeBytes > 0 ? total : 0
  const keep = missing > 0 ? Math.min(most, total - missing) : most
  return Math.max(keep, reservedBytes)
}

/**
 * Removes pieces of the build cache, and what nothing needs any more without them. What a live build works with stays.
 *
 * @returns what went beside the pieces themselves
 */
export async function removeCache(
  store: Store,
  lease: Lease,
  chosen: readonly CacheUsage[],
  removeTrees: RemoveTrees | undefined,
): Promise<GcResult> {
  const mounts = new Set<string>()
  let reclaimedBytes = 0
  const gone = new Set<string>()
  for (const { id, type, sizeBytes } of chosen) {
    if (type === 'exec.cachemount') mounts.add(id)
    else if (removePacked(store, id)) continue
    else if (type === 'source.local') reclaimedBytes += removeSums(store, id, sizeBytes)
    else gone.add(id)
  }
  for (const { id, sizeBytes } of withLeaders(store, gone)) if (store.cache.remove(id)) reclaimedBytes += sizeBytes
  const result = await collectGarbage(store, lease, { dropCache: false, dropMounts: mounts, removeTrees })
  // Without any result there is nothing to compare builds with.
  if (store.cache.list().length === 0) reclaimedBytes += store.builds.clear()
  return { ...result, reclaimedBytes: result.reclaimedBytes + reclaimedBytes }
}

/** Records that go, with those that only lead to them or to their layers: these would keep the files, or lead nowhere. */
function withLeaders(store: Store, gone: ReadonlySet<string>): { id: string; sizeBytes: number }[] {
  if (gone.size === 0) return []
  const layers = new LayerSizes(store)
  const all = store.cache.list().filter((r) => r.record !== undefined)
  const layerOf = ({ record }: (typeof all)[number]) => record!.layer && layers.identity(record!.layer)
  const kept = new Set(all.filter((r) => r.record!.title && !gone.has(r.id)).map(layerOf))
  const going = new Set(all.filter((r) => gone.has(r.id)).map(layerOf))
  return all.filter((r) => {
    if (gone.has(r.id)) return true
    const layer = layerOf(r)
    if (layer !== undefined) return !r.record!.title && going.has(layer) && !kept.has(layer)
    return r.record!.key !== r.id && gone.has(r.record!.key)
  })
}

function removeSums(store: Store, id: string, sizeBytes: number): number {
  return store.place.unlink(store.place.path('sums', id.replace(/^sums-/, ''))) ? sizeBytes : 0
}

function sum(all: readonly CacheUsage[]): number {
  return all.reduce((bytes, u) => bytes + u.sizeBytes, 0)
}
