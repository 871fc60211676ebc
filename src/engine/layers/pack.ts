import { versions } from 'node:process'
import { TsboxError } from '../../base/error.js'
import { layerTypeOf } from '../../oci/media-type.js'
import type { LayerBlob } from '../../store/layers.js'
import { contentSha256 } from '../../util/hash.js'
import { besideBundle } from '../helper.js'
import type { NodeLayers } from './node-layers.js'
import { rechunk } from './rechunk.js'
import type { Workshop } from './workshop.js'

/** How a layer is packed: `level` is gzip's (0 to 9) or zstd's (1 to 22). */
export interface Packing {
  kind: 'gzip' | 'zstd'
  level: number
}

/** Levels where none is given: those of the gzip and zstd programs. */
export const DEFAULT_LEVEL = { gzip: 6, zstd: 3 } as const

/** The zstd package: its bytes are cached, so that another one must not be taken for it. */
export const ZSTD_PACKAGE = '1.12.5'

const PIECE_BYTES = 1 << 17

/** What packing needs. */
export interface PackDeps {
  shop: Workshop
  layers: NodeLayers
  env: Readonly<Record<string, string | undefined>>
}

/**
 * A layer's tar, packed, as a blob of the store. What was packed before in the same way is found again.
 *
 * @param moved hears how many bytes of the tar were taken
 * @throws TsboxError E_BLOB_CORRUPT where the tar is not the layer's any more
 */
export async function packLayer(
  deps: PackDeps,
  diffID: string,
  packing: Packing,
  signal: AbortSignal,
  moved: (bytes: number) => void = () => {},
): Promise<LayerBlob> {
  const { store, lease } = deps.shop
  const form = formOf(packing)
  const known = store.layers.packed(diffID, form)
  if (known) {
    lease.hold('blob', known.digest)
    // Held first, looked for then: a collection may run meanwhile.
    if (store.blobs.has(known.digest, known.sizeBytes)) return known
  }
  const writer = store.blobs.writer(lease)
  try {
    const tar = rechunk(verified(deps.layers.openTar(diffID), diffID, moved), PIECE_BYTES)
    for await (const chunk of await packed(deps, tar, packing)) {
      signal.throwIfAborted()
      writer.write(chunk)
    }
    const { digest, sizeBytes } = writer.commit()
    const blob = { digest, sizeBytes, mediaType: layerTypeOf(packing.kind) }
    store.layers.setPacked(diffID, form, blob, lease)
    return blob
  } finally {
    writer.abort()
  }
}

/** Everything that decides the bytes. */
function formOf({ kind, level }: Packing): string {
  return `${kind}-${level}-${kind === 'gzip' ? `${versions.zlib}-blocks` : ZSTD_PACKAGE}`
}

async function packed(
  { env }: PackDeps,
  tar: AsyncIterable<Uint8Array>,
  { kind, level }: Packing,
): Promise<AsyncIterable<Uint8Array>> {
  if (kind === 'gzip')
    return (await import('./gzip.js')).packGzip(tar, level)
    // What the build left behind and zstd's tables are each as large as all else.
  ;(await import('../../util/release-memory.js')).releaseMemory()
  return (await import('../zstd/zstd.js')).packZstd(besideBundle('zstd-worker.cjs', env), tar, level)
}

/** A packed layer is only named by its own digest: what is packed must be what the image's configuration names. */
async function* verified(
  tar: AsyncIterable<Uint8Array>,
  diffID: string,
  moved: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const hash = contentSha256()
  for await (const chunk of tar) {
    hash.update(chunk)
    moved(chunk.length)
    yield chunk
  }
  if (`sha256:${hash.hex()}` !== diffID)
    throw new TsboxError('E_BLOB_CORRUPT', `pack layer: its tar does not match its digest: "${diffID}"`, {
      hint: 'build the image again with --no-cache',
    })
}
