const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Bytes with two decimals, as BuildKit's progress has them: `31B`, `1.23MB`. */
export function progressBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return unit === 0 ? `${value}B` : `${value.toFixed(2)}${UNITS[unit]}`
}

/** ` 1.00MB / 2.00MB`, ` 1.00MB`, or nothing where nothing is known. */
export function progressAmount(current: number, total: number): string {
  if (total) return ` ${progressBytes(current)} / ${progressBytes(total)}`
  return current ? ` ${progressBytes(current)}` : ''
}

/** How early a rate is too rough to be told. */
const MIN_RATE_MS = 500

/** ` 1.23MB/s`, or nothing where it can't be told yet. */
export function progressRate(bytes: number, ms: number): string {
  return bytes > 0 && ms >= MIN_RATE_MS ? ` ${progressBytes(Math.round(bytes / (ms / 1000)))}/s` : ''
}
