import { statSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import { INDEX_FILE, layoutBlobPath } from '../../oci/layout.js'
import { type Descriptor, isIndex, parseManifest } from '../../oci/manifest.js'
import { readChunks } from '../../util/read-chunks.js'
import type { CacheFrom } from '../api.js'
import { type ArchiveFiles, readArchive, readDocument, type StagedFile } from '../archive/archive-files.js'
import { findImage } from '../images/stored-image.js'
import type { Workshop } from '../layers/workshop.js'
import type { RegistryDeps } from '../registry/deps.js'
import { hasLayoutBlob, openLayoutBlob, readIndex, taggedIn } from './layout-index.js'
import { damaged } from './read-blob.js'
import type { CacheSource } from './transport.js'

const LATEST = 'latest'

/**
 * Opens what a `--cache-from` names. A name of an image that the store has not is asked for at its registry.
 *
 * @throws TsboxError where there is nothing that could be read
 */
export async function openSource(
  shop: Workshop,
  from: CacheFrom,
  registries: RegistryDeps,
  signal: AbortSignal,
): Promise<CacheSource> {
  const stored = from.type === 'image' ? storedImage(shop, from.reference) : undefined
  if (stored) return stored
  if (from.type !== 'local') {
    const { openRegistrySource } = await import('./registry-cache.js')
    return openRegistrySource(registries, from.type === 'registry' ? from : { ref: from.reference }, signal)
  }
  const stat = statSync(from.src, { throwIfNoEntry: false })
  if (stat?.isFile()) return archiveSource(shop, from.src)
  return folderSource(from)
}

function folderSource({ src, tag, digest }: Extract<CacheFrom, { type: 'local' }>): CacheSource {
  return {
    name: `local:${src}`,
    async manifest() {
      const index = readIndex(src)
      if (!index) return undefined
      if (digest !== undefined)
        return found(
          index.manifests.find((d) => d.digest === digest),
          src,
          digest,
        )
      if (tag !== undefined) return found(taggedIn(index, tag), src, tag)
      return taggedIn(index, LATEST) ?? (index.manifests.length === 1 ? index.manifests[0] : undefined)
    },
    has: (blob) => hasLayoutBlob(src, blob),
    open: (blob) => openLayoutBlob(src, blob),
    close: () => {},
  }
}

function found(descriptor: Descriptor | undefined, dir: string, wanted: string): Descriptor {
  if (descriptor) return descriptor
  throw new TsboxError('E_CACHE_MISSING', `read cache: "${dir}" has no "${wanted}"`)
}

/** An image of the store; undefined where it has none of that name. */
function storedImage({ store, lease }: Workshop, reference: string): CacheSource | undefined {
  const manifest = manifestOf(store, reference)
  if (!manifest) return undefined
  lease.hold('manifest', manifest.digest)
  return {
    name: `image:${reference}`,
    manifest: async () => manifest,
    has: (blob) => store.blobs.has(blob.digest, blob.size),
    open: (blob) => readChunks(store.blobs.path(blob.digest)),
    close: () => {},
  }
}

function manifestOf(store: Workshop['store'], reference: string): Descriptor | undefined {
  try {
    return findImage(store, reference).manifest
  } catch (err) {
    if (err instanceof TsboxError && err.code === 'E_IMAGE_NOT_FOUND') return undefined
    throw err
  }
}

/** An archive is read once, from its beginning to its end; its files wait on disk. */
async function archiveSource({ store, lease }: Workshop, path: string): Promise<CacheSource> {
  const files = await readArchive(readChunks(path), store.blobs, lease)
  const staged = await stagedBlobs(files)
  return {
    name: `archive:${path}`,
    manifest: async () => staged.manifest,
    has: (blob) => staged.files.get(blob.digest)?.sizeBytes === blob.size,
    open: (blob) => {
      const file = staged.files.get(blob.digest)
      if (!file) throw damaged(blob, 'it is missing')
      return readChunks(file.path)
    },
    close: () => files.close(),
  }
}

/** Blobs of an archive that its documents lead to, by digest. */
async function stagedBlobs(
  archive: ArchiveFiles,
): Promise<{ manifest: Descriptor | undefined; files: Map<string, StagedFile> }> {
  const files = new Map<string, StagedFile>()
  const take = async (d: Descriptor) => {
    const file = await archive.file(layoutBlobPath(d.digest))
    if (file) files.set(d.digest, file)
    return file
  }
  const list = await archive.file(INDEX_FILE)
  if (!list) throw new TsboxError('E_CACHE_INVALID', `read cache: the archive has no ${INDEX_FILE}`)
  const index = parseManifest(readDocument(list, INDEX_FILE))
  if (!isIndex(index)) throw new TsboxError('E_CACHE_INVALID', `read cache: no index: "${INDEX_FILE}"`)
  const descriptor = taggedIn(index, LATEST) ?? index.manifests[0]
  const file = descriptor && (await take(descriptor))
  if (!descriptor || !file) return { manifest: undefined, files }
  const manifest = parseManifest(readDocument(file, 'manifest'))
  for (const d of isIndex(manifest) ? manifest.manifests : [manifest.config, ...manifest.layers]) await take(d)
  return { manifest: descriptor, files }
}
