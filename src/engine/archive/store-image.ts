import { TsboxError } from '../../base/error.js'
import { TarParser } from '../../layer/tar-parser.js'
import { TocBuilder } from '../../layer/toc.js'
import { digestOf } from '../../oci/digest.js'
import { parseConfig } from '../../oci/image-config.js'
import { type Descriptor, encodeManifest } from '../../oci/manifest.js'
import { layerTypeOf, MEDIA } from '../../oci/media-type.js'
import { peekCompression } from '../../store/decompress.js'
import type { ImageTarget } from '../../store/images.js'
import { contentSha256, nodeSha256 } from '../../util/hash.js'
import { readChunks } from '../../util/read-chunks.js'
import { unpack } from '../../util/unpack.js'
import type { ImageDeps } from '../images/deps.js'
import type { ArchiveFiles, StagedFile } from './archive-files.js'
import type { ArchivedImage, ArchivedLayer } from './archived-image.js'

type StoreDeps = Pick<ImageDeps, 'store' | 'lease'>

/**
 * Verifies the layers of an archived image against its configuration, and publishes all blobs, the manifest last.
 *
 * @throws TsboxError E_DIGEST_MISMATCH, E_ARCHIVE_INVALID, E_CONFIG_INVALID
 */
export async function storeImage(deps: StoreDeps, _files: ArchiveFiles, image: ArchivedImage): Promise<ImageTarget> {
  const { store, lease } = deps
  const { diff_ids: diffIDs } = parseConfig(image.config).rootfs
  if (diffIDs.length !== image.layers.length)
    throw new TsboxError(
      'E_ARCHIVE_INVALID',
      `load image: its configuration lists ${diffIDs.length} layers, its manifest ${image.layers.length}`,
    )
  const descriptors: Descriptor[] = []
  for (const [i, layer] of image.layers.entries()) descriptors.push(await storeLayer(deps, layer, diffIDs[i]!))
  const config = store.blobs.put(image.config, lease)
  const bytes = image.manifest?.bytes ?? encodeManifest(configDescriptor(config), descriptors)
  const digest = digestOf(nodeSha256, bytes)
  lease.hold('manifest', digest)
  const manifest = store.blobs.put(bytes, lease)
  return {
    manifest: { digest, size: manifest.sizeBytes, mediaType: image.manifest?.mediaType ?? MEDIA.manifest },
    config: config.digest,
  }
}

function configDescriptor(config: { digest: string; sizeBytes: number }): Descriptor {
  return { mediaType: MEDIA.config, digest: config.digest, size: config.sizeBytes }
}

async function storeLayer(deps: StoreDeps, layer: ArchivedLayer, diffID: string): Promise<Descriptor> {
  const { store, lease } = deps
  const { file, descriptor } = layer
  if (!file) {
    if (descriptor && store.layers.blob(diffID)?.digest === descriptor.digest) return descriptor
    throw new TsboxError('E_ARCHIVE_INVALID', `load image: a layer is missing: "${descriptor?.digest ?? diffID}"`)
  }
  const { compression, chunks } = await peekCompression(readChunks(file.path))
  const made = descriptor ?? {
    mediaType: layerTypeOf(compression),
    digest: file.digest,
    size: file.sizeBytes,
  }
  if (compression === 'none' && file.digest !== diffID) throw mismatch(file, diffID)
  // Known from before, and verified then.
  const known = store.layers.blob(diffID)?.digest === file.digest && store.layers.tarSize(diffID) !== undefined
  const toc = known ? undefined : await verifyLayer(unpack(compression, chunks), file, diffID)
  file.publish()
  if (toc) store.layers.putToc(diffID, toc, lease)
  store.layers.setBlob(diffID, { digest: file.digest, sizeBytes: file.sizeBytes, mediaType: made.mediaType }, lease)
  return made
}

/** Reads a layer through: it must be a tar with that digest. */
async function verifyLayer(tar: AsyncIterable<Uint8Array>, file: StagedFile, diffID: string) {
  const hash = contentSha256()
  const builder = new TocBuilder()
  const parser = new TarParser({ entry: (e, p) => builder.entry(e, p) })
  let size = 0
  for await (const chunk of tar) {
    hash.update(chunk)
    size += chunk.length
    parser.push(chunk)
  }
  parser.end()
  if (`sha256:${hash.hex()}` !== diffID) throw mismatch(file, diffID)
  return builder.finish(size)
}

function mismatch(file: StagedFile, diffID: string): TsboxError {
  return new TsboxError(
    'E_DIGEST_MISMATCH',
    `load image: the layer in blob ${file.digest} is not the one that its configuration names: "${diffID}"`,
  )
}
