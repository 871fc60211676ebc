import { VfsError } from '../vfs/error.js'
import type { Calls } from './host.js'
import type { Process } from './process.js'

const NS_RESOLUTION = 1_000n
const CLOCKS = 4

/** Arguments, environment, time, randomness. The shim counts arguments in UTF-16 units and knows the machine's clock only. */
export function argumentCalls(process: Process): Calls {
  return {
    args_sizes_get: (count, size) => putSizes(process, process.args, count, size),
    args_get: (pointers, buffer) => putStrings(process, process.args, pointers, buffer),
    environ_sizes_get: (count, size) => putSizes(process, process.env, count, size),
    environ_get: (pointers, buffer) => putStrings(process, process.env, pointers, buffer),
    clock_res_get: (id, out) => {
      if (id >>> 0 >= CLOCKS) throw new VfsError('EINVAL')
      process.memory().view.setBigUint64(out, NS_RESOLUTION, true)
    },
    clock_time_get: (id, _precision: bigint, out) => {
      if (id >>> 0 >= CLOCKS) throw new VfsError('EINVAL')
      const now = id === 0 ? process.clock.realtime() : process.clock.monotonic()
      process.memory().view.setBigUint64(out, now, true)
    },
    random_get: (buffer, length) => process.random(process.memory().slice(buffer, length)),
    sched_yield: () => {},
  }
}

function putSizes(process: Process, strings: readonly Uint8Array[], count: number, size: number): void {
  const { view } = process.memory()
  view.setUint32(count, strings.length, true)
  view.setUint32(
    size,
    strings.reduce((sum, s) => sum + s.length + 1, 0),
    true,
  )
}

function putStrings(process: Process, strings: readonly Uint8Array[], pointers: number, buffer: number): void {
  const memory = process.memory()
  let [slot, at] = [pointers, buffer]
  for (const s of strings) {
    memory.view.setUint32(slot, at, true)
    const place = memory.slice(at, s.length + 1)
    place.set(s)
    place[s.length] = 0
    slot += 4
    at += s.length + 1
  }
}
