import { TsboxError } from '../../base/error.js'
import { TarParser } from '../../layer/tar-parser.js'
import { type Toc, TocBuilder } from '../../layer/toc.js'
import type { Descriptor } from '../../oci/manifest.js'
import { packingOf } from '../../oci/media-type.js'
import type { Download } from '../../store/downloads.js'
import { contentSha256 } from '../../util/hash.js'
import { type Packed, unpack } from '../../util/unpack.js'

/**
 * Reads a layer through: it must be a tar with the digest that the image's configuration names.
 *
 * @returns its table of contents
 * @throws TsboxError E_DIGEST_MISMATCH, E_UNPACK and those of tars
 */
export async function verifyLayer(chunks: AsyncIterable<Uint8Array>, blob: Descriptor, diffID: string): Promise<Toc> {
  const hash = contentSha256()
  const builder = new TocBuilder()
  const parser = new TarParser({ entry: (e, p) => builder.entry(e, p) })
  let size = 0
  for await (const chunk of unpack(packingOf(blob.mediaType) as Packed, chunks)) {
    hash.update(chunk)
    size += chunk.length
    parser.push(chunk)
  }
  parser.end()
  if (`sha256:${hash.hex()}` === diffID) return builder.finish(size)
  throw new TsboxError(
    'E_DIGEST_MISMATCH',
    `pull image: the layer in blob ${blob.digest} is not the one that its configuration names: "${diffID}"`,
  )
}

/** As {@link verifyLayer}, of a layer that is still arriving. Settles after the download has ended. */
export async function verifyArriving(download: Download, blob: Descriptor, diffID: string): Promise<Toc> {
  for (;;) {
    const outcome = download.outcome()
    try {
      return await verifyLayer(download.follow(), blob, diffID)
    } catch (err) {
      // Bytes that turn out to be wrong may have looked like anything: that says nothing of what comes then.
      if ((await outcome) !== 'restarted') throw err
    }
  }
}
