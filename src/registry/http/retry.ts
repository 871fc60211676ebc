import { TransportError } from './transport.js'

/** How often and how patiently something is tried again. */
export interface RetryPolicy {
  /** In all. */
  attempts: number
  /** Milliseconds before the second attempt; each later one waits twice as long. */
  baseMs: number
  /** No wait is longer than this, one that a registry asks for excepted. */
  maxMs: number
  /** A registry that asks for a longer wait than this is not waited for. */
  maxAskedMs: number
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 6, baseMs: 250, maxMs: 8_000, maxAskedMs: 60_000 }

/** An answer that may be another one later. */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504])

export function isTransientStatus(status: number): boolean {
  return TRANSIENT.has(status)
}

/**
 * Milliseconds to wait before attempt number `attempt` (from 2 on), a quarter more or less; what Retry-After asks for
 * counts where it is longer.
 *
 * @param chance from 0 to 1
 * @returns undefined where it asks for more than the policy gives
 */
export function delayBefore(
  attempt: number,
  policy: RetryPolicy,
  retryAfterMs: number | undefined,
  chance: number,
): number | undefined {
  if (retryAfterMs !== undefined && retryAfterMs > policy.maxAskedMs) return undefined
  const own = Math.min(policy.maxMs, policy.baseMs * 2 ** (attempt - 2)) * (0.75 + chance / 2)
  return Math.max(own, retryAfterMs ?? 0)
}

/** Milliseconds of a Retry-After header: seconds, or a date. @see RFC 9110, section 10.2.3 */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}

/** Waits, or rejects with the signal's reason. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', stop, { once: true })
  })
}

/** Counts attempts of one piece of work. */
export class Attempts {
  readonly #policy: RetryPolicy
  readonly #signal: AbortSignal | undefined
  #count = 1
  #staleUsed = false

  constructor(policy: RetryPolicy, signal: AbortSignal | undefined) {
    this.#policy = policy
    this.#signal = signal
  }

  /** Something was achieved: the count begins anew. */
  progress(): void {
    this.#count = 1
  }

  /** Waits for the next attempt; false where there is none left. @param askedMs what Retry-After asked for */
  async next(askedMs?: number): Promise<boolean> {
    if (this.#count >= this.#policy.attempts) return false
    const ms = delayBefore(this.#count + 1, this.#policy, askedMs, Math.random())
    if (ms === undefined) return false
    this.#count++
    await pause(ms, this.#signal)
    return true
  }

  /** As {@link next} after a failure: at once where a kept connection was only found closed. */
  async after(err: unknown): Promise<boolean> {
    if (!(err instanceof TransportError)) return false
    if (err.stale && !this.#staleUsed) {
      this.#staleUsed = true
      return true
    }
    return err.isTransient && this.next()
  }
}
