import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

/** Place of the byte that names the system in a gzip header, and its value for none. @see RFC 1952, section 2.3.1 */
const OS_AT = 9
const OS_UNKNOWN = 255
const HEADER_BYTES = 10

/**
 * Packs a stream with gzip, on threads of Node's own. The header has no name, no time, no system: the same pieces give
 * the same bytes with the same zlib (Node's own, which finds other matches with other processor features).
 *
 * @param level 0 to 9
 */
export async function* packGzip(chunks: AsyncIterable<Uint8Array>, level: number): AsyncGenerator<Uint8Array> {
  const stream = createGzip({ level, chunkSize: 1 << 17 })
  const copies = (async function* () {
    // The stream keeps what it is given until it comes to it.
    for await (const chunk of chunks) yield Buffer.from(chunk)
  })()
  const fed = pipeline(Readable.from(copies, { objectMode: false, highWaterMark: 1 << 18 }), stream).catch(
    (err: unknown) => err,
  )
  try {
    let begun = false
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (!begun) forgetSystem(chunk)
      begun = true
      yield chunk
    }
  } catch (err) {
    // The error of the source is the one to report: the pipeline destroys the transform with it.
    throw (await fed) ?? err
  } finally {
    stream.destroy()
  }
}

function forgetSystem(head: Buffer): void {
  if (head.length < HEADER_BYTES) throw new Error(`zlib gave ${head.length} bytes of a gzip header`)
  head[OS_AT] = OS_UNKNOWN
}
