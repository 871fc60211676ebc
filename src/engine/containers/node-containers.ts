import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import { deadTemps, type Lease, sweepDeadLeases } from '../../store/lease.js'
import type { Store } from '../../store/store.js'
import { emptyTrash, type RemoveTrees } from '../../store/trash.js'
import { claimNow } from '../../util/claim.js'
import type { ContainerFilters, ContainerSummary } from '../api.js'
import { chooseName } from '../run/create-container.js'
import { containerFilter } from './filter.js'
import { findContainer } from './find.js'
import { Lifecycle } from './lifecycle.js'
import { containerState } from './state.js'

/** What work on containers stands on. */
export interface ContainerDeps {
  store: Store
  lease: Lease
  /** Deletes trees with files of mapped users, by the helper. */
  removeTrees: RemoveTrees
}

/** Records of containers: listed, renamed, removed. */
export class NodeContainers {
  readonly #deps: ContainerDeps

  constructor(deps: ContainerDeps) {
    this.#deps = deps
  }

  /** Newest first. A filter by state or exit code asks for all. */
  async list({
    all,
    filters = {},
  }: {
    all: boolean
    filters?: ContainerFilters | undefined
  }): Promise<ContainerSummary[]> {
    const summaries = this.#summaries()
    const wanted = containerFilter(filters, summaries)
    const every = all || filters.status !== undefined || filters.exited !== undefined
    return summaries.filter((c) => (every || c.status === 'running' || c.status === 'paused') && wanted(c))
  }

  /**
   * Removes containers by name or (the beginning of) id; forced, a running one is killed first. What can be removed is,
   * also where another name fails.
   *
   * @returns the names as they were given
   * @throws TsboxError E_CONTAINER_NOT_FOUND, E_CONTAINER_AMBIGUOUS, E_CONTAINER_RUNNING
   */
  async remove(names: readonly string[], { force }: { force: boolean }): Promise<string[]> {
    const removed: string[] = []
    let failure: unknown
    for (const name of names) {
      try {
        const record = findContainer(this.#deps.store, name)
        if (this.#status(record) === 'running') await this.#end(record, force)
        await this.#discard([record.id])
        removed.push(name)
      } catch (err) {
        if (!(err instanceof TsboxError)) throw err
        failure ??= err
      }
    }
    if (failure) throw failure
    return removed
  }

  /** Removes all that don't run, and folders that never became containers. @returns their ids */
  async prune(filters: ContainerFilters = {}): Promise<{ ids: string[]; reclaimedBytes: number }> {
    const { containers } = this.#deps.store
    const summaries = this.#summaries()
    const wanted = containerFilter(filters, summaries)
    const known = new Map(summaries.map((c) => [c.id, c]))
    const nothing = Object.keys(filters).length === 0
    const ids = containers.ids().filter((id) => {
      const summary = known.get(id)
      return summary ? !['running', 'paused'].includes(summary.status) && wanted(summary) : nothing
    })
    return { ids, reclaimedBytes: await this.#discard(ids) }
  }

  async rename(name: string, to: string): Promise<void> {
    const { store, lease } = this.#deps
    const claim = claimNow(store.place.path('leases', 'containers.claim'))
    try {
      const record = findContainer(store, name)
      const others = store.containers.list<ContainerRecord>()
      store.containers.put({ ...record, name: chooseName(to, others) }, lease)
    } finally {
      claim.release()
    }
  }

  #summaries(): ContainerSummary[] {
    const { containers } = this.#deps.store
    return containers
      .list<ContainerRecord>()
      .map((record) => summary(record, containers.dir(record.id)))
      .sort((a, b) => (a.created < b.created ? 1 : -1))
  }

  #status(record: ContainerRecord): ContainerSummary['status'] {
    return containerState(record, this.#deps.store.containers.dir(record.id)).status
  }

  async #end(record: ContainerRecord, force: boolean): Promise<void> {
    if (!force)
      throw new TsboxError(
        'E_CONTAINER_RUNNING',
        `cannot remove container "${record.name}": container is running: stop the container before removing or force remove`,
        {
          hint: `tsbox rm -f ${record.name}`,
        },
      )
    const { store, removeTrees } = this.#deps
    const startDeps = () => Promise.reject(new Error('nothing is started here'))
    await new Lifecycle({ store, startDeps }).end(record)
    sweepDeadLeases(store.place)
    await emptyTrash(deadTemps(store.place), removeTrees)
  }

  async #discard(ids: readonly string[]): Promise<number> {
    const { store, lease, removeTrees } = this.#deps
    const trash = ids.flatMap((id) => {
      const path = lease.tempPath('container')
      // Its monitor may have removed it meanwhile.
      if (!store.containers.ids().includes(id)) return []
      store.containers.retire(id, path)
      return [path]
    })
    return (await emptyTrash(trash, removeTrees)).reclaimedBytes
  }
}

function summary(record: ContainerRecord, dir: string): ContainerSummary {
  const { status, paused, exitCode, finished } = containerState(record, dir)
  const { settings } = record
  return {
    id: record.id,
    name: record.name,
    image: record.image,
    imageID: record.imageID,
    command: [...record.args],
    created: record.created,
    status: paused ? 'paused' : status,
    exitCode,
    started: record.started,
    finished,
    labels: settings?.labels ?? {},
    mounts: (settings?.mounts ?? []).map((m) => m.name || m.source),
    network: settings?.network ?? 'host',
  }
}
