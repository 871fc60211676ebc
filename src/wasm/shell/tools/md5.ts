import type { Hasher } from '../../../base/hash.js'
import { bytesOf } from '../bytes.js'

const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
const TABLE = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0)

/** MD5, for `md5sum` alone: it protects nothing. @see RFC 1321 */
export class Md5 implements Hasher {
  readonly #state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
  readonly #block = new Uint8Array(64)
  readonly #words = new Int32Array(16)
  #used = 0
  #total = 0

  update(data: Uint8Array | string): this {
    const bytes = typeof data === 'string' ? bytesOf(data) : data
    this.#total += bytes.length
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + 64 - this.#used)
      this.#block.set(part, this.#used)
      this.#used += part.length
      at += part.length
      if (this.#used === 64) this.#compress()
    }
    return this
  }

  #compress(): void {
    const view = new DataView(this.#block.buffer)
    const w = this.#words
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(i * 4, true)
    let [a, b, c, d] = this.#state as unknown as [number, number, number, number]
    for (let i = 0; i < 64; i++) {
      const round = i >> 4
      let mix: number
      let word: number
      if (round === 0) [mix, word] = [(b & c) | (~b & d), i]
      else if (round === 1) [mix, word] = [(d & b) | (~d & c), (5 * i + 1) & 15]
      else if (round === 2) [mix, word] = [b ^ c ^ d, (3 * i + 5) & 15]
      else [mix, word] = [c ^ (b | ~d), (7 * i) & 15]
      const sum = (a + mix + TABLE[i]! + w[word]!) | 0
      const shift = SHIFTS[round * 4 + (i & 3)]!
      a = d
      d = c
      c = b
      b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0
    }
    const s = this.#state
    s[0]! += a
    s[1]! += b
    s[2]! += c
    s[3]! += d
    this.#used = 0
  }

  /** Ends it. @returns hex digits */
  hex(): string {
    const bits = this.#total * 8
    this.update(Uint8Array.of(0x80))
    while (this.#used !== 56) this.update(Uint8Array.of(0))
    const length = new DataView(new ArrayBuffer(8))
    length.setUint32(0, bits >>> 0, true)
    length.setUint32(4, Math.floor(bits / 2 ** 32), true)
    this.update(new Uint8Array(length.buffer))
    return [...new Uint8Array(this.#state.buffer)].map((b) => b.toString(16).padStart(2, '0')).join('')
  }
}
