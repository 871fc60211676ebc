import { TsboxError } from '../../base/error.js'
import type { Entry } from '../../layer/entry.js'
import { safePath } from '../../layer/tar-entry.js'
import { TarParser } from '../../layer/tar-parser.js'
import { decodeToc, encodeToc, type Toc, TocBuilder } from '../../layer/toc.js'
import { decompress } from '../../store/decompress.js'
import type { Workshop } from '../layers/workshop.js'
import type { LoadedLayer } from './load.js'
import { readBlob, verifiedBlob } from './read-blob.js'
import type { CacheSource } from './transport.js'

const MAX_TOC_BYTES = 256 << 20

/** A layer in the cache that has it. */
export interface HeldLayer {
  source: CacheSource
  layer: LoadedLayer
}

/**
 * Brings a layer into the store: its blob must have its digest and size, the tar in it its diffID, before anything of it
 * has a name there.
 *
 * @throws TsboxError E_CACHE_INVALID, E_DIGEST_MISMATCH, E_UNPACK, E_DISK_FULL and those of tars
 */
export async function fetchLayer(
  { store, lease }: Workshop,
  { source, layer }: HeldLayer,
  signal: AbortSignal,
): Promise<void> {
  const builder = new TocBuilder()
  const parser = new TarParser({ entry: (e, p) => builder.entry(e, p) })
  const writer = store.blobs.writer(lease)
  try {
    for await (const chunk of decompress(verifiedBlob(source, layer.blob))) {
      signal.throwIfAborted()
      if (layer.tarSize !== undefined && writer.sizeBytes + chunk.length > layer.tarSize)
        throw new TsboxError('E_CACHE_INVALID', `read cache: layer "${layer.diffID}" is longer than it should be`)
      parser.push(chunk)
      writer.write(chunk)
    }
    parser.end()
    lease.hold('layer', layer.diffID)
    const { sizeBytes } = writer.commit({ digest: layer.diffID, sizeBytes: layer.tarSize })
    store.layers.putToc(layer.diffID, builder.finish(sizeBytes), lease)
  } finally {
    writer.abort()
  }
}

/**
 * The table of contents that lies beside a layer. One that can't be read is no harm: the layer itself has it. It is no more
 * than a claim until the layer is here; checksums of contents are not taken from it at all.
 */
export async function readToc({ source, layer }: HeldLayer): Promise<Toc | undefined> {
  try {
    const packed = await readBlob(source, layer.toc!, MAX_TOC_BYTES)
    const { gunzipSync } = process.getBuiltinModule('node:zlib')
    const toc = decodeToc(gunzipSync(packed, { maxOutputLength: MAX_TOC_BYTES }))
    if (toc.tarSize !== layer.tarSize || !toc.items.every(({ entry }) => isClean(entry))) return undefined
    return { items: toc.items, tarSize: toc.tarSize, maxMtime: toc.maxMtime }
  } catch {
    return undefined
  }
}

/** Whether an entry is one that the tar parser could have given. @throws TsboxError E_TAR_UNSAFE_PATH */
function isClean({ path, type, link }: Entry): boolean {
  if (type === undefined || safePath(path) !== path) return false
  return type !== 'hardlink' || (link !== undefined && safePath(link) === link)
}

/** Whether two tables list the same. */
export function sameToc(a: Toc, b: Toc): boolean {
  const bytes = ({ items, tarSize, maxMtime }: Toc) => encodeToc({ items, tarSize, maxMtime })
  return Buffer.compare(bytes(a), bytes(b)) === 0
}
