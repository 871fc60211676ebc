import { concatBytes } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import { digestOf } from '../../oci/digest.js'
import type { Descriptor } from '../../oci/manifest.js'
import { contentSha256, nodeSha256 } from '../../util/hash.js'
import type { CacheSource } from './transport.js'

/**
 * All of a small blob, checked against digest and size.
 *
 * @throws TsboxError E_CACHE_INVALID
 */
export async function readBlob(
  source: Pick<CacheSource, 'open'>,
  blob: Descriptor,
  maxBytes: number,
): Promise<Uint8Array> {
  if (blob.size > maxBytes) throw damaged(blob, `${blob.size} bytes are too many`)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of source.open(blob)) {
    size += chunk.length
    if (size > blob.size) throw damaged(blob, `it is longer than ${blob.size} bytes`)
    chunks.push(chunk)
  }
  const bytes = concatBytes(chunks)
  if (digestOf(nodeSha256, bytes) !== blob.digest) throw damaged(blob, 'its content has another digest')
  return bytes
}

/** Passes a blob on; ends with an error where it was not what its descriptor says. @throws TsboxError E_CACHE_INVALID */
export async function* verifiedBlob(source: Pick<CacheSource, 'open'>, blob: Descriptor): AsyncGenerator<Uint8Array> {
  const hash = contentSha256()
  let size = 0
  for await (const chunk of source.open(blob)) {
    size += chunk.length
    if (size > blob.size) throw damaged(blob, `it is longer than ${blob.size} bytes`)
    hash.update(chunk)
    yield chunk
  }
  if (size !== blob.size || `sha256:${hash.hex()}` !== blob.digest)
    throw damaged(blob, 'its content has another digest')
}

/** The error for a blob that can't be used. */
export function damaged(blob: Pick<Descriptor, 'digest'>, state: string): TsboxError {
  return new TsboxError('E_CACHE_INVALID', `read cache: blob "${blob.digest}": ${state}`)
}
