/** Random numbers that a seed fixes, so that a failure can be repeated. */
export interface Random {
  /** 0 ≤ n < limit */
  below(limit: number): number
  pick<T>(list: readonly T[]): T
}

/** @param seed from TSBOX_SEED where a test wants to be steered; printed by it on failure (mulberry32) */
export function random(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return { below, pick: (list) => list[below(list.length)]! }
}
