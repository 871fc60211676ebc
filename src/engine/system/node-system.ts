import type { ContainerRecord } from '../../container/record.js'
import { parseNamed } from '../../oci/reference.js'
import { collectGarbage } from '../../store/gc.js'
import type { SystemEngine } from '../api.js'
import { type ContainerDeps, NodeContainers } from '../containers/node-containers.js'

/** The engine's work on the store as a whole. */
export class NodeSystem implements SystemEngine {
  readonly #deps: ContainerDeps

  constructor(deps: ContainerDeps) {
    this.#deps = deps
  }

  /**
   * Removes stopped containers, images that no container uses (only those without a name unless `all`), the build
   * cache, and whatever dead processes left.
   *
   * @returns what went as docker lists it: ids of containers, `untagged: NAME`, `deleted: DIGEST`
   */
  async prune({ all }: { all: boolean }): Promise<{ deleted: string[]; reclaimedBytes: number }> {
    const { store, lease, removeTrees } = this.#deps
    const containers = await new NodeContainers(this.#deps).prune()
    const used = new Set(store.containers.list<ContainerRecord>().map((c) => c.manifest))
    const untagged: string[] = []
    for (const record of store.images.list()) {
      if (used.has(record.manifest.digest) || (!all && record.name !== undefined)) continue
      if (store.images.remove(record) && record.name !== undefined)
        untagged.push(`untagged: ${parseNamed(record.name).familiar}`)
    }
    const collected = await collectGarbage(store, lease, { dropCache: true, removeTrees })
    return {
      deleted: [...containers.ids, ...untagged, ...collected.deleted.map((d) => `deleted: ${d}`)],
      reclaimedBytes: containers.reclaimedBytes + collected.reclaimedBytes,
    }
  }
}
