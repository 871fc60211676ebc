/** Sizes and ages as docker words them. Pure: the present is an argument. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Bytes in decimal units with `digits` significant digits: `1.23MB`, `0B`. @see docker/go-units HumanSize */
export function humanSize(bytes: number, digits = 3): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${Number(value.toPrecision(digits))}${UNITS[unit]}`
}

const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `1.952GiB`. @see docker/go-units BytesSize */
export function binarySize(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < BINARY_UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${Number(value.toPrecision(4))}${BINARY_UNITS[unit]}`
}

/** A span of time: `About a minute`, `3 weeks`. @see docker/go-units HumanDuration */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000)
  const minutes = Math.trunc(ms / 60_000)
  const hours = Math.trunc(ms / 3_600_000 + 0.5)
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  if (seconds < 60) return `${seconds} seconds`
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`
  return `${Math.trunc(ms / 3_600_000 / 24 / 365)} years`
}

/** How long ago an RFC 3339 time was; `N/A` for an image that does not say. @param now milliseconds since 1970 */
export function since(time: string | undefined, now: number): string {
  const at = parseTime(time)
  return at === undefined ? 'N/A' : `${humanDuration(now - at)} ago`
}

/** An RFC 3339 time as Go prints it: `2024-05-06 07:08:09 +0000 UTC`; `N/A` where there is none. */
export function goTime(time: string | undefined): string {
  const at = parseTime(time)
  return at === undefined ? 'N/A' : `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`
}

function parseTime(time: string | undefined): number | undefined {
  const at = time === undefined ? Number.NaN : Date.parse(time)
  return Number.isNaN(at) || time!.startsWith('0001-01-01') ? undefined : at
}

/** At most `width` characters; what is cut is shown by `…`. */
export function ellipsis(text: string, width: number): string {
  const chars = [...text]
  return chars.length <= width ? text : `${chars.slice(0, width - 1).join('')}…`
}

/** The twelve digits by which people name an image or container; `<missing>` and the like stay as they are. */
export function shortId(id: string): string {
  const hex = id.slice(id.indexOf(':') + 1)
  return /^[\da-f]{13,}$/.test(hex) ? hex.slice(0, 12) : id
}
