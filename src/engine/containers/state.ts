import type { ContainerRecord } from '../../container/record.js'
import { isAlive } from '../../util/identity.js'

/**
 * What a container does now. One whose tsbox process is dead ended with it, whether or not anybody could write that
 * down.
 */
export function containerState(record: ContainerRecord): 'created' | 'running' | 'exited' {
  if (record.exitCode !== undefined) return 'exited'
  if (!record.runner) return 'created'
  return isAlive(record.runner) ? 'running' : 'exited'
}
