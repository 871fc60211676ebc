import { fault } from './fault.js'
import { quote } from './go-text.js'

const UNITS: Record<string, number> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}
const PART = /^(\d*)(?:\.(\d*))?([^\d.]*)/

/**
 * Nanoseconds of a duration as Go writes it: `1h30m`, `1.5s`, `-2ms`, `0`.
 *
 * @throws TsboxError E_DOCKERFILE
 * @see Go time.ParseDuration
 */
export function parseDuration(text: string): number {
  const bad = (problem: string) => fault(`time: ${problem} ${quote(text)}`, 'write a number and a unit: 30s, 5m, 1h30m')
  let rest = text.replace(/^[+-]/, '')
  if (rest === '0') return 0
  if (rest === '') throw bad('invalid duration')
  let total = 0
  while (rest !== '') {
    const match = PART.exec(rest)!
    const [all, whole, fraction, unit] = match as unknown as [string, string, string | undefined, string]
    if (whole === '' && !fraction) throw bad('invalid duration')
    if (unit === '') throw bad('missing unit in duration')
    const size = UNITS[unit]
    if (size === undefined) throw bad(`unknown unit ${quote(unit)} in duration`)
    total += Number(whole || 0) * size + Math.floor(Number(`0.${fraction || 0}`) * size)
    rest = rest.slice(all.length)
  }
  if (total > 2 ** 63 - 1) throw bad('invalid duration')
  return text.startsWith('-') ? -total : total
}
