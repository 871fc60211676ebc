import { collectGarbage } from '../../store/gc.js'
import { removeCache } from '../../store/prune.js'
import { cacheUsage } from '../../store/usage.js'
import type { DiskUsage, SystemEngine, SystemPruneRequest } from '../api.js'
import { NodeContainers } from '../containers/node-containers.js'
import type { ImageDeps } from '../images/deps.js'
import { untagUnused } from '../images/prune.js'
import { measureStore } from './disk-usage.js'

/** The engine's work on the store as a whole. */
export class NodeSystem implements Pick<SystemEngine, 'prune' | 'usage'> {
  readonly #deps: ImageDeps

  constructor(deps: ImageDeps) {
    this.#deps = deps
  }

  usage(): Promise<DiskUsage> {
    return measureStore(this.#deps)
  }

  /**
   * Removes stopped containers, images that no container uses (only those without a name unless `all`), the build
   * cache, and whatever dead processes left. A filter by label spares the build cache, which has none.
   *
   * @returns what went as docker lists it: ids of containers, `untagged: NAME`, `deleted: DIGEST`
   */
  async prune({ all, filters }: SystemPruneRequest): Promise<{ deleted: string[]; reclaimedBytes: number }> {
    const containers = await new NodeContainers(this.#deps).prune(filters)
    const untagged = untagUnused(this.#deps, { all, filters }).map((name) => `untagged: ${name}`)
    const collected = await this.#collect(filters)
    return {
      deleted: [...containers.ids, ...untagged, ...collected.deleted.map((d) => `deleted: ${d}`)],
      reclaimedBytes: containers.reclaimedBytes + collected.reclaimedBytes,
    }
  }

  #collect(filters: SystemPruneRequest['filters']): Promise<{ deleted: readonly string[]; reclaimedBytes: number }> {
    const { store, lease, removeTrees } = this.#deps
    const until = filters.until?.map(Number)
    const byLabel = filters.label !== undefined || filters['label!'] !== undefined
    if (!until || byLabel) return collectGarbage(store, lease, { dropCache: !byLabel, removeTrees })
    const old = cacheUsage(store).filter((u) => !u.inUse && until.some((ms) => u.usedMs < ms))
    return removeCache(store, lease, old, removeTrees)
  }
}
