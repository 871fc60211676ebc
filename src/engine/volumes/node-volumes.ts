import { lstatSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import type { Lease } from '../../store/lease.js'
import type { Store } from '../../store/store.js'
import { emptyTrash, type RemoveTrees } from '../../store/trash.js'
import { namesIn } from '../../util/names-in.js'
import type { VolumeEngine, VolumeSummary } from '../api.js'

/** What work on volumes stands on. */
export interface VolumeDeps {
  store: Store
  lease: Lease
  /** Deletes trees with files of mapped users, by the helper. */
  removeTrees: RemoveTrees
}

/** Named volumes: `volumes/<mode>/<name>/data`, one of a name in each id mode. */
export class NodeVolumes implements VolumeEngine {
  readonly #deps: VolumeDeps

  constructor(deps: VolumeDeps) {
    this.#deps = deps
  }

  async list(): Promise<VolumeSummary[]> {
    const { place } = this.#deps.store
    return namesIn(place.path('volumes')).flatMap((mode) =>
      namesIn(place.path('volumes', mode)).map((name) => ({
        name,
        mode,
        mountpoint: place.path('volumes', mode, name, 'data'),
      })),
    )
  }

  async remove(names: readonly string[], options: { force: boolean }): Promise<string[]> {
    const { store, lease, removeTrees } = this.#deps
    const known = await this.list()
    const trash: string[] = []
    for (const name of names) {
      const found = known.filter((v) => v.name === name)
      if (found.length === 0 && !options.force) throw missing(name)
      this.#refuseUsed(name)
      for (const { mode } of found) {
        const path = lease.tempPath('volume')
        store.place.move(store.place.path('volumes', mode, name), path)
        trash.push(path)
      }
    }
    await emptyTrash(
      trash.filter((path) => lstatSync(path, { throwIfNoEntry: false })),
      removeTrees,
    )
    return [...names]
  }

  #refuseUsed(name: string): void {
    const user = this.#deps.store.containers.list<ContainerRecord>().find((c) => c.volumes?.includes(name))
    if (!user) return
    throw new TsboxError('E_VOLUME_IN_USE', `remove ${name}: volume is in use - [${user.id.slice(0, 12)}]`, {
      hint: `tsbox rm ${user.name}`,
    })
  }
}

function missing(name: string): TsboxError {
  return new TsboxError('E_VOLUME_NOT_FOUND', `get ${name}: no such volume`, { hint: 'tsbox volume ls lists them' })
}
