import { type Tool, ToolError } from '../command.js'
import { parseOptions } from './options.js'

const SECOND = 1_000_000_000n
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = 'January February March April May June July August September October November December'.split(' ')

/**
 * A date as GNU's tools take it: `@seconds`, ISO forms, `now`, in UTC.
 *
 * @param now nanoseconds since 1970
 * @returns nanoseconds since 1970; undefined for what is none
 */
export function parseDate(text: string, now: bigint): bigint | undefined {
  const t = text.trim()
  if (t === '' || t === 'now' || t === 'today') return now
  const seconds = /^@(-?\d+)(?:\.(\d+))?$/.exec(t)
  if (seconds) return BigInt(seconds[1]!) * SECOND + BigInt((seconds[2] ?? '').padEnd(9, '0').slice(0, 9))
  const iso =
    /^(\d{4}-\d{2}-\d{2}|\d{8})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?)? ?(Z|UTC|GMT|[-+]\d{2}:?\d{2})?$/.exec(t)
  if (!iso) return undefined
  const day = iso[1]!.length === 8 ? iso[1]!.replace(/(....)(..)(..)/, '$1-$2-$3') : iso[1]!
  const zone = !iso[3] || /^(UTC|GMT|Z)$/.test(iso[3]) ? 'Z' : iso[3].replace(/(\d{2})(\d{2})$/, '$1:$2')
  const ms = Date.parse(`${day}T${iso[2] ?? '00:00'}${zone}`)
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n
}

/** A time in UTC by strftime(3)'s letters. @param ns since 1970 */
export function formatDate(format: string, ns: bigint): string {
  let seconds = ns / SECOND
  if (seconds * SECOND > ns) seconds -= 1n
  const date = new Date(Number(seconds) * 1000)
  const two = (n: number, fill = '0') => String(n).padStart(2, fill)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  const [hour, minute, second] = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
  const dayOfYear = Math.floor((Date.UTC(year, month, day) - Date.UTC(year, 0, 1)) / 86_400_000) + 1
  const hour12 = hour % 12 || 12
  const letters: Readonly<Record<string, () => string>> = {
    '%': () => '%',
    a: () => DAYS[date.getUTCDay()]!.slice(0, 3),
    A: () => DAYS[date.getUTCDay()]!,
    b: () => MONTHS[month]!.slice(0, 3),
    B: () => MONTHS[month]!,
    c: () => formatDate('%a %b %e %H:%M:%S %Y', ns),
    C: () => two(Math.floor(year / 100)),
    d: () => two(day),
    D: () => formatDate('%m/%d/%y', ns),
    e: () => two(day, ' '),
    F: () => formatDate('%Y-%m-%d', ns),
    h: () => MONTHS[month]!.slice(0, 3),
    H: () => two(hour),
    I: () => two(hour12),
    j: () => String(dayOfYear).padStart(3, '0'),
    m: () => two(month + 1),
    M: () => two(minute),
    n: () => '\n',
    N: () => String(ns - seconds * SECOND).padStart(9, '0'),
    p: () => (hour < 12 ? 'AM' : 'PM'),
    r: () => formatDate('%I:%M:%S %p', ns),
    R: () => formatDate('%H:%M', ns),
    s: () => String(seconds),
    S: () => two(second),
    t: () => '\t',
    T: () => formatDate('%H:%M:%S', ns),
    u: () => String(date.getUTCDay() || 7),
    w: () => String(date.getUTCDay()),
    x: () => formatDate('%m/%d/%y', ns),
    X: () => formatDate('%H:%M:%S', ns),
    y: () => two(year % 100),
    Y: () => String(year),
    z: () => '+0000',
    Z: () => 'UTC',
  }
  return format.replace(/%([-_0]?)([a-zA-Z%])/g, (all, flag: string, letter: string) => {
    const value = letters[letter]?.()
    if (value === undefined) return all
    if (flag === '-') return value.replace(/^[0 ]+(?=\d)/, '')
    return flag === '_' ? value.replace(/^0+(?=\d)/, (z) => ' '.repeat(z.length)) : value
  })
}

export const date: Tool = (args, { files, out, world }) => {
  const o = parseOptions(args, {
    letters: 'ud:r:RI',
    long: { utc: 'u', universal: 'u', date: 'd', reference: 'r', 'rfc-email': 'R', 'iso-8601': 'I' },
  })
  const [format, extra] = o.operands
  if (extra !== undefined) throw new ToolError(`extra operand '${extra}'`)
  if (format !== undefined && !format.startsWith('+'))
    throw new ToolError(`invalid date '${format}': the clock can't be set here`)
  const now = world.clock.realtime()
  const given = o.value('d')
  const time =
    o.value('r') !== undefined ? files.stat(o.value('r')!).mtime : given === undefined ? now : parseDate(given, now)
  if (time === undefined) throw new ToolError(`invalid date '${given}'`)
  const named = o.has('R') ? '%a, %d %b %Y %H:%M:%S %z' : o.has('I') ? '%F' : '%a %b %e %H:%M:%S %Z %Y'
  out.text(`${formatDate(format?.slice(1) ?? named, time)}\n`)
  return 0
}
