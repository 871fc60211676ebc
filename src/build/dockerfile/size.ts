const POWERS = 'kmgtp'

/**
 * Bytes of a size as docker writes it: `64m`, `1.5GiB`, `100`; units are powers of 1024.
 *
 * @returns undefined for anything else
 * @see docker/go-units RAMInBytes
 */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d*)?|\.\d+) ?([a-zA-Z]*)$/.exec(text)
  if (!match) return undefined
  const number = Number(match[1])
  const unit = match[2]!.toLowerCase()
  if (unit === '' || unit === 'b') return Math.floor(number)
  const power = POWERS.indexOf(unit[0]!)
  if (power < 0 || !['', 'b', 'ib'].includes(unit.slice(1))) return undefined
  return Math.floor(number * 1024 ** (power + 1))
}
