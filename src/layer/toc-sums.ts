/** Bytes of one sum: a SHA-256. */
export const SUM_BYTES = 32

/**
 * Sums as the column of a table of contents has them, one after the other, zeros where there is none.
 *
 * @param sums hex by number of the item
 */
export function packSums(count: number, sums: readonly (string | undefined)[]): Uint8Array {
  const out = new Uint8Array(count * SUM_BYTES)
  for (const [item, hex] of sums.entries()) {
    if (hex === undefined) continue
    const at = item * SUM_BYTES
    for (let i = 0; i < SUM_BYTES; i++) out[at + i] = (nibble(hex, 2 * i) << 4) | nibble(hex, 2 * i + 1)
  }
  return out
}

function nibble(hex: string, at: number): number {
  const code = hex.charCodeAt(at)
  return code < 58 ? code - 48 : code - 87
}
