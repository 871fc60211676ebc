import type { ContainerFilters } from '../../engine/api.js'
import { parsePointInTime } from '../point-in-time.js'
import { UsageError } from '../usage-error.js'

/**
 * Docker's `--filter`s: `KEY=VALUE`, several of a key being a list. `label!=X` has the key `label!`.
 *
 * @param now milliseconds since 1970: `until` becomes such a number
 * @param known keys; undefined leaves it to whoever filters
 * @throws {UsageError}
 */
export function parseFilters(given: readonly string[], now: number, known?: readonly string[]): ContainerFilters {
  const out: Record<string, string[]> = {}
  for (const text of given) {
    const eq = text.indexOf('=')
    if (eq < 1) throw new UsageError(`invalid argument "${text}" for "-f, --filter" flag: it is not KEY=VALUE`)
    const key = text.slice(0, eq).trim().toLowerCase()
    const value = text.slice(eq + 1).trim()
    if (known && !known.includes(key)) throw new UsageError(`invalid filter '${key}'`, { exitCode: 1, usage: false })
    const list = out[key] ?? []
    list.push(key === 'until' ? String(parsePointInTime('--filter', value, now)) : value)
    out[key] = list
  }
  return out
}
