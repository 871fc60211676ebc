import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import type { Store } from '../../store/store.js'
import { findContainer } from '../containers/find.js'
import { initOf } from '../containers/inspect.js'
import { containerState } from '../containers/state.js'
import { decodeParts } from './container-parts.js'
import type { Donor } from './isolation/namespaces.js'
import { settingsOf } from './start-container.js'

/** A container whose namespaces another one asks for. @throws TsboxError E_CONTAINER_NOT_FOUND, E_CONTAINER_AMBIGUOUS */
export function donorOf(store: Store, name: string): Donor {
  const { id, mode, name: own, ...record } = findContainer(store, name)
  const { network, hostname, parts } = settingsOf({ id, mode, name: own, ...record })
  const { isolation } = decodeParts(parts)
  return { id, name: own, mode, network, hostname, ipc: isolation?.ipc ?? 'private' }
}

/**
 * First process of a container that runs.
 *
 * @returns its pid on this machine
 * @throws TsboxError E_NAMESPACE
 */
export function runningInit(store: Store, id: string): number {
  const record = store.containers.get<ContainerRecord>(id)
  const running = record && containerState(record, store.containers.dir(id)).status === 'running'
  const init = running ? initOf(record) : undefined
  if (init !== undefined) return init
  const name = record?.name ?? id.slice(0, 12)
  throw new TsboxError('E_NAMESPACE', `join namespaces: the container is not running: "${name}"`, {
    exitCode: 125,
    hint: record ? `tsbox start ${name}` : 'make this container again',
  })
}
