import type { Zstd } from '@hpcc-js/wasm-zstd'
import { concatBytes } from '../../base/bytes.js'

/** Packs a stream piece by piece; each call gives what is ready, maybe nothing. */
export interface ZstdPacker {
  add(chunk: Uint8Array): Uint8Array
  end(): Uint8Array
}

/** From this level on zstd looks back so far that its tables alone take 200 MB to 1 GB. */
const FAR_LEVEL = 20
/** Of the frames of these levels: tables are no larger than what there is to look at. */
const FRAME_BYTES = 4 << 20

/** One frame, or where that would take too much memory many, which every reader joins. @see RFC 8878, 3 */
export function packerOf(zstd: Zstd, level: number): ZstdPacker {
  if (level >= FAR_LEVEL) return new FramePacker(zstd, level)
  zstd.reset()
  zstd.setCompressionLevel(level)
  return { add: (chunk) => zstd.compressChunk(chunk), end: () => zstd.compressEnd() }
}

class FramePacker implements ZstdPacker {
  readonly #zstd: Zstd
  readonly #level: number
  readonly #frame = new Uint8Array(FRAME_BYTES)
  #used = 0
  #empty = true

  constructor(zstd: Zstd, level: number) {
    this.#zstd = zstd
    this.#level = level
  }

  add(chunk: Uint8Array): Uint8Array {
    const out: Uint8Array[] = []
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + FRAME_BYTES - this.#used)
      this.#frame.set(part, this.#used)
      this.#used += part.length
      at += part.length
      if (this.#used === FRAME_BYTES) out.push(this.#pack())
    }
    return concatBytes(out)
  }

  end(): Uint8Array {
    return this.#used > 0 || this.#empty ? this.#pack() : new Uint8Array(0)
  }

  #pack(): Uint8Array {
    this.#empty = false
    const packed = this.#zstd.compress(this.#frame.subarray(0, this.#used), this.#level)
    this.#used = 0
    return packed
  }
}
