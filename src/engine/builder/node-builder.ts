import { statfsSync } from 'node:fs'
import { errnoCode } from '../../base/error.js'
import { chooseForPrune, removeCache } from '../../store/prune.js'
import { cacheUsage } from '../../store/usage.js'
import type { BuilderEngine, CacheFilter, CacheUsage } from '../api.js'
import type { ImageDeps } from '../images/deps.js'

/** The engine's work on the build cache. */
export class NodeBuilder implements BuilderEngine {
  readonly #deps: ImageDeps

  constructor(deps: ImageDeps) {
    this.#deps = deps
  }

  async usage(filter: CacheFilter): Promise<CacheUsage[]> {
    const before = usedBefore(filter)
    return cacheUsage(this.#deps.store).filter((u) => u.usedMs < before && matches(u, filter))
  }

  async prune(
    request: Parameters<BuilderEngine['prune']>[0],
  ): Promise<{ pruned: CacheUsage[]; reclaimedBytes: number }> {
    const { store, lease, removeTrees } = this.#deps
    const { all, filter, reservedBytes, maxUsedBytes, minFreeBytes } = request
    const policy = {
      all,
      usedBeforeMs: usedBefore(filter),
      matches: (u: CacheUsage) => matches(u, filter),
      reservedBytes,
      maxUsedBytes,
      minFreeBytes,
    }
    const pruned = chooseForPrune(cacheUsage(store), policy, { freeBytes: freeBytes(store.root) })
    const { reclaimedBytes } = await removeCache(store, lease, pruned, removeTrees)
    return { pruned, reclaimedBytes }
  }
}

function usedBefore({ untilMs }: CacheFilter): number {
  return untilMs === undefined ? Number.POSITIVE_INFINITY : Date.now() - untilMs
}

function matches(usage: CacheUsage, { id, description, type, flags }: CacheFilter): boolean {
  return (
    id.every((r) => r.test(usage.id)) &&
    description.every((r) => r.test(usage.description)) &&
    (type.length === 0 || type.includes(usage.type)) &&
    flags.every((f) => usage[f.name] === f.value)
  )
}

/** Bytes that a user may still write to the disk of the store. */
function freeBytes(root: string): number {
  try {
    const { bavail, bsize } = statfsSync(root)
    return bavail * bsize
  } catch (err) {
    if (errnoCode(err) === 'ENOENT') return Number.POSITIVE_INFINITY
    throw err
  }
}
