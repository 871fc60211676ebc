/** The guest's time. Nanoseconds. */
export interface Clock {
  /** Since 1970. */
  realtime(): bigint
  /** Never goes back. */
  monotonic(): bigint
  /** Returns after that long by this clock. */
  sleep(ns: bigint): void
}

/** What one look at a virtual clock takes: a program that measures sees time pass. */
const TICK = 1_000n

/**
 * Starts at a fixed moment, moves only when it is read or slept on: the same program sees the same times always, and
 * sleeping costs nothing.
 *
 * @param epoch seconds since 1970
 */
export function virtualClock(epoch: number): Clock {
  const start = BigInt(epoch) * 1_000_000_000n
  let passed = 0n
  const tick = () => {
    passed += TICK
    return passed
  }
  return {
    realtime: () => start + tick(),
    monotonic: tick,
    sleep: (ns) => {
      passed += ns
    },
  }
}
