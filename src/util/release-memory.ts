import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Collects garbage now and gives the memory back to the system: V8 does so only once there is new garbage, which work
 * outside of its heap never makes. It takes some ten milliseconds: for what is about to take much memory and time.
 */
export function releaseMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  // Compiled code that is kept counts only under the flags under which it was made.
  setFlagsFromString('--no-expose-gc')
  collect()
}
