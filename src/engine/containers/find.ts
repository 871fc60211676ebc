import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import type { Store } from '../../store/store.js'

/**
 * A container by its name, its id, or the beginning of its id.
 *
 * @throws TsboxError E_CONTAINER_NOT_FOUND, E_CONTAINER_AMBIGUOUS
 */
export function findContainer(store: Store, name: string): ContainerRecord {
  const records = store.containers.list<ContainerRecord>()
  const wanted = name.replace(/^\//, '')
  const exact = records.find((r) => r.name === wanted || r.id === wanted)
  if (exact) return exact
  const found = /^[0-9a-f]+$/.test(wanted) ? records.filter((r) => r.id.startsWith(wanted)) : []
  if (found.length > 1)
    throw new TsboxError('E_CONTAINER_AMBIGUOUS', `find container: several ids begin with "${name}"`, {
      hint: 'give more of the id',
    })
  if (!found[0])
    throw new TsboxError('E_CONTAINER_NOT_FOUND', `No such container: ${name}`, { hint: 'tsbox ps -a lists them' })
  return found[0]
}

/** For what needs a container that runs. */
export function notRunning(record: ContainerRecord, what = ''): TsboxError {
  return new TsboxError('E_CONTAINER_STOPPED', `${what}container ${record.id} is not running`, {
    hint: `tsbox start ${record.name}`,
  })
}
