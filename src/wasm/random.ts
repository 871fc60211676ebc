/** Fills an array with random bytes. */
export type FillRandom = (into: Uint8Array) => void

/**
 * Bytes that depend on the seed alone (sfc32). Not for secrets: it is used where the user asked for reproducible
 * output.
 *
 * @param seed any text; equal seeds give equal bytes
 */
export function seededRandom(seed: string): FillRandom {
  let [a, b, c, counter] = [fold(seed, 1), fold(seed, 2), fold(seed, 3), 1]
  const next = () => {
    const out = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + out) | 0
    return out
  }
  for (let i = 0; i < 15; i++) next()
  return (into) => {
    for (let i = 0; i < into.length; ) {
      let word = next()
      for (let k = 0; k < 4 && i < into.length; k++, word >>>= 8) into[i++] = word & 255
    }
  }
}

/** FNV-1a of the text, salted. */
function fold(text: string, salt: number): number {
  let hash = 0x811c9dc5 ^ salt
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash | 0
}
