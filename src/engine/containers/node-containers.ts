import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import { deadTemps, type Lease, sweepDeadLeases } from '../../store/lease.js'
import type { Store } from '../../store/store.js'
import { emptyTrash, type RemoveTrees } from '../../store/trash.js'
import { isAlive } from '../../util/identity.js'
import type { ContainerEngine, ContainerSummary } from '../api.js'
import { containerState } from './state.js'

/** What work on containers stands on. */
export interface ContainerDeps {
  store: Store
  lease: Lease
  /** Deletes trees with files of mapped users, by the helper. */
  removeTrees: RemoveTrees
}

const POLL_MS = 10

/** Containers that exist. */
export class NodeContainers implements ContainerEngine {
  readonly #deps: ContainerDeps

  constructor(deps: ContainerDeps) {
    this.#deps = deps
  }

  /** Newest first. */
  async list({ all }: { all: boolean }): Promise<ContainerSummary[]> {
    const records = this.#deps.store.containers.list<ContainerRecord>()
    return records
      .map(summary)
      .filter((c) => all || c.status === 'running')
      .sort((a, b) => (a.created < b.created ? 1 : -1))
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
        const record = this.#find(name)
        if (containerState(record) === 'running') await this.#stop(record, force)
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
  async prune(): Promise<{ ids: string[]; reclaimedBytes: number }> {
    const { containers } = this.#deps.store
    const ids = containers.ids().filter((id) => {
      const record = containers.get<ContainerRecord>(id)
      return !record || containerState(record) !== 'running'
    })
    return { ids, reclaimedBytes: await this.#discard(ids) }
  }

  #find(name: string): ContainerRecord {
    const records = this.#deps.store.containers.list<ContainerRecord>()
    const exact = records.find((r) => r.name === name || r.id === name)
    if (exact) return exact
    const found = /^[0-9a-f]+$/.test(name) ? records.filter((r) => r.id.startsWith(name)) : []
    if (found.length > 1)
      throw new TsboxError('E_CONTAINER_AMBIGUOUS', `find container: several ids begin with "${name}"`, {
        hint: 'give more of the id',
      })
    if (!found[0])
      throw new TsboxError('E_CONTAINER_NOT_FOUND', `No such container: ${name}`, { hint: 'tsbox ps -a lists them' })
    return found[0]
  }

  async #stop(record: ContainerRecord, force: boolean): Promise<void> {
    const { runner } = record
    if (!force || !runner)
      throw new TsboxError('E_CONTAINER_RUNNING', `remove container: it is running: "${record.name}"`, {
        hint: `tsbox rm -f ${record.name}`,
      })
    // The payload is a child of the helper, which ends with the process that it serves.
    try {
      process.kill(runner.pid, 'SIGKILL')
    } catch {}
    while (isAlive(runner)) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    const { store, removeTrees } = this.#deps
    sweepDeadLeases(store.place)
    await emptyTrash(deadTemps(store.place), removeTrees)
  }

  async #discard(ids: readonly string[]): Promise<number> {
    const { store, lease, removeTrees } = this.#deps
    const trash = ids.map((id) => {
      const path = lease.tempPath('container')
      store.containers.retire(id, path)
      return path
    })
    return (await emptyTrash(trash, removeTrees)).reclaimedBytes
  }
}

function summary(record: ContainerRecord): ContainerSummary {
  return {
    id: record.id,
    name: record.name,
    image: record.image,
    command: [...record.args],
    created: record.created,
    status: containerState(record),
    exitCode: record.exitCode,
  }
}
