import { TsboxError } from '../base/error.js'
import type { Sha256 } from '../base/hash.js'

declare const digestBrand: unique symbol
declare const diffIDBrand: unique symbol

/** Digest of a blob as stored or transferred: `sha256:<64 lower-case hex>`. */
export type Digest = string & { readonly [digestBrand]: true }

/** Digest of a layer's uncompressed tar. Equal to the blob's {@link Digest} only where the blob is not compressed. */
export type DiffID = string & { readonly [diffIDBrand]: true }

const SHA256 = /^sha256:[0-9a-f]{64}$/
const ANY = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/

/** True for a well-formed sha256 digest. */
export function isDigest(text: string): text is Digest {
  return SHA256.test(text)
}

/**
 * @throws TsboxError E_DIGEST_INVALID for what is no digest, E_DIGEST_UNSUPPORTED for another algorithm than sha256
 * @see OCI image-spec 1.1, descriptor.md, "Digests"
 */
export function parseDigest(text: string): Digest {
  if (SHA256.test(text)) return text as Digest
  if (ANY.test(text) && !text.startsWith('sha256:'))
    throw new TsboxError('E_DIGEST_UNSUPPORTED', `read digest: only sha256 is supported: "${text}"`)
  throw new TsboxError('E_DIGEST_INVALID', `read digest: not sha256 and 64 hex digits: "${text}"`)
}

/** As {@link parseDigest}, for the digest of an uncompressed layer. */
export function parseDiffID(text: string): DiffID {
  return parseDigest(text) as string as DiffID
}

/** The 64 hex digits; they are safe as a file name. @throws TsboxError as {@link parseDigest} */
export function digestHex(digest: string): string {
  return parseDigest(digest).slice(7)
}

/** Digest of bytes in memory. */
export function digestOf(sha256: Sha256, bytes: Uint8Array | string): Digest {
  return `sha256:${sha256().update(bytes).hex()}` as Digest
}

/** A layer that is not compressed has its diffID as its digest. */
export function diffIDOfTar(digest: Digest): DiffID {
  return digest as string as DiffID
}
