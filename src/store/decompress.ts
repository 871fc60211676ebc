import { concatBytes } from '../base/bytes.js'
import { detectCompression } from '../layer/compression.js'
import type { Compression } from '../oci/media-type.js'

/** A stream whose packing is known. */
export interface PeekedStream {
  compression: Compression
  /** All bytes, the looked-at ones too. */
  chunks: AsyncIterable<Uint8Array>
}

/** Looks at the first bytes of a stream. */
export async function peekCompression(chunks: AsyncIterable<Uint8Array>): Promise<PeekedStream> {
  const source = chunks[Symbol.asyncIterator]()
  let head = new Uint8Array(0)
  while (head.length < 6) {
    const next = await source.next()
    if (next.done) break
    head = concatBytes([head, next.value]) as Uint8Array<ArrayBuffer>
  }
  return { compression: detectCompression(head), chunks: rejoin(head, source) }
}

async function* rejoin(head: Uint8Array, source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length) yield head
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value
  } finally {
    await source.return?.()
  }
}

/** Unpacks whatever the magic says; passes plain data on. @throws TsboxError as unpack */
export async function* decompress(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const peeked = await peekCompression(chunks)
  if (peeked.compression === 'none') {
    yield* peeked.chunks
    return
  }
  // Loads zlib and more, which most commands never need.
  const { unpack } = await import('../util/unpack.js')
  yield* unpack(peeked.compression, peeked.chunks)
}
