import { UsageError } from './usage-error.js'

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** A span of time as Go writes it (`1h30m`), and in days. @returns milliseconds; undefined for anything else */
export function parseSpan(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)]
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== text) return undefined
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit!]!, 0)
}

/**
 * A time as docker's `--since`, `--until` and `until=` take it: seconds since 1970, RFC 3339 (also a date alone, in local
 * time without a zone), or a span such as `1h30m` before now.
 *
 * @returns milliseconds since 1970
 * @throws {UsageError}
 */
export function parsePointInTime(option: string, text: string, now: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  const span = parseSpan(text)
  if (span !== undefined) return now - span
  // A date alone is local midnight for docker, and UTC for JavaScript.
  const time = /^\d{4}-\d\d-\d\d(T.*)?$/.test(text)
    ? Date.parse(text.includes('T') ? text : `${text}T00:00:00`)
    : Number.NaN
  if (!Number.isNaN(time)) return time
  throw new UsageError(`invalid argument "${text}" for "${option}" flag: neither a time nor a span of time`)
}
