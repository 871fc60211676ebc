import type { Hash } from 'node:crypto'
import type { Hasher, Sha256 } from '../base/hash.js'
import { SMALL_BYTES, sha256Small } from './sha256.js'

let crypto: typeof import('node:crypto') | undefined

/** Loaded when there is content to hash, which a cached build has none of: it costs 3 ms. */
function loadCrypto(): typeof import('node:crypto') {
  crypto ??= process.getBuiltinModule('node:crypto')
  return crypto
}

/** SHA-256 of content: files, layers. */
export const contentSha256: Sha256 = () => new NodeHasher()

/** Lower-case hex of the SHA-256 of a content that is all there: for many small files half the price of a hasher. */
export function contentSha256Hex(data: Uint8Array): string {
  crypto ??= loadCrypto()
  return crypto.hash('sha256', data, 'hex')
}

/** SHA-256 of what is mostly little: keys, manifests, configurations. */
export const nodeSha256: Sha256 = () => (crypto ? new NodeHasher() : new LazyHasher())

/** A hash by any algorithm that Node has, over content. */
export function contentHash(algorithm: string): Hash {
  return loadCrypto().createHash(algorithm)
}

class NodeHasher implements Hasher {
  readonly #hash = contentHash('sha256')

  update(data: Uint8Array | string): Hasher {
    this.#hash.update(data)
    return this
  }

  hex(): string {
    return this.#hash.digest('hex')
  }
}

/** Does without Node's hash as long as it can. */
class LazyHasher implements Hasher {
  readonly #pieces: Uint8Array[] = []
  #size = 0
  #large: Hasher | undefined

  update(data: Uint8Array | string): Hasher {
    if (this.#large) this.#large.update(data)
    else this.#keep(data)
    return this
  }

  hex(): string {
    return this.#large ? this.#large.hex() : sha256Small(this.#pieces)
  }

  #keep(data: Uint8Array | string): void {
    // A copy: what was handed over may be overwritten before the end.
    const piece = Buffer.from(data as Uint8Array)
    this.#size += piece.length
    this.#pieces.push(piece)
    if (this.#size <= SMALL_BYTES) return
    this.#large = new NodeHasher()
    for (const earlier of this.#pieces.splice(0)) this.#large.update(earlier)
  }
}

/** Lower-case hex of the SHA-256 of a text. */
export function sha256Hex(text: string): string {
  return nodeSha256().update(text).hex()
}
