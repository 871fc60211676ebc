import { wasi } from '@bjorn3/browser_wasi_shim'
import { VfsError } from '../vfs/error.js'
import type { Calls } from './host.js'
import type { Process } from './process.js'

/** Sizes and offsets of `subscription` and `event`. @see WASI preview1 */
const SUBSCRIPTION_SIZE = 48
const EVENT_SIZE = 32

interface Subscription {
  userdata: bigint
  type: number
  /** Of a clock: when it ends, by its own clock. */
  deadline: bigint | undefined
  clock: number
  fd: number
}

interface Happened {
  subscription: Subscription
  error: number
  bytes: bigint
}

/** Waiting. Files and streams are always ready, so only clocks wait, and only where nothing else is asked for. */
export function pollCalls(process: Process): Calls {
  return {
    poll_oneoff: (input, output, count, out) => {
      if (count === 0) throw new VfsError('EINVAL')
      const { view } = process.memory()
      const all: Subscription[] = []
      for (let i = 0; i < count; i++) all.push(readSubscription(process, view, input + i * SUBSCRIPTION_SIZE))
      let happened = readyNow(process, all)
      if (happened.length === 0) {
        process.clock.sleep(shortest(process, all))
        happened = readyNow(process, all)
      }
      happened.forEach((event, i) => {
        writeEvent(view, output + i * EVENT_SIZE, event)
      })
      view.setUint32(out, happened.length, true)
    },
  }
}

function now(process: Process, clock: number): bigint {
  return clock === wasi.CLOCKID_REALTIME ? process.clock.realtime() : process.clock.monotonic()
}

function readSubscription(process: Process, view: DataView, at: number): Subscription {
  const type = view.getUint8(at + 8)
  const first = view.getUint32(at + 16, true)
  const common = { userdata: view.getBigUint64(at, true), type, clock: first, fd: first }
  if (type !== wasi.EVENTTYPE_CLOCK) return { ...common, deadline: undefined }
  const timeout = view.getBigUint64(at + 24, true)
  const absolute = (view.getUint16(at + 40, true) & wasi.SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME) !== 0
  return { ...common, deadline: absolute ? timeout : now(process, first) + timeout }
}

function readyNow(process: Process, all: readonly Subscription[]): Happened[] {
  return all.flatMap((subscription): Happened[] => {
    const { deadline, clock } = subscription
    if (deadline === undefined) return [readyDescriptor(process, subscription)]
    if (clock > wasi.CLOCKID_MONOTONIC) return [{ subscription, error: wasi.ERRNO_NOTSUP, bytes: 0n }]
    return now(process, clock) >= deadline ? [{ subscription, error: wasi.ERRNO_SUCCESS, bytes: 0n }] : []
  })
}

function readyDescriptor(process: Process, subscription: Subscription): Happened {
  const fd = process.fds[subscription.fd]
  if (!fd) return { subscription, error: wasi.ERRNO_BADF, bytes: 0n }
  const file = fd.inode?.kind === 'file' ? fd.inode : undefined
  const left = file ? BigInt(file.content.sizeBytes) - fd.seek(0n, wasi.WHENCE_CUR) : 0n
  const bytes = subscription.type === wasi.EVENTTYPE_FD_READ && left > 0n ? left : 0n
  return { subscription, error: wasi.ERRNO_SUCCESS, bytes }
}

/** Nanoseconds until the first clock ends. */
function shortest(process: Process, all: readonly Subscription[]): bigint {
  const left = all.map((s) => (s.deadline ?? 0n) - now(process, s.clock)).sort((a, b) => (a < b ? -1 : 1))
  return left[0] !== undefined && left[0] > 0n ? left[0] : 0n
}

function writeEvent(view: DataView, at: number, { subscription, error, bytes }: Happened): void {
  view.setBigUint64(at, subscription.userdata, true)
  view.setUint16(at + 8, error, true)
  view.setUint8(at + 10, subscription.type)
  view.setBigUint64(at + 16, bytes, true)
  view.setUint16(at + 24, 0, true)
}
