import { TsboxError } from '../../base/error.js'
import { digestHex, digestOf, isDigest } from '../../oci/digest.js'
import { CONTAINERD_NAME, INDEX_FILE, LAYOUT_FILE, layoutBlobPath, REF_NAME } from '../../oci/layout.js'
import { type Descriptor, type ImageManifest, isIndex, parseManifest, parseObject } from '../../oci/manifest.js'
import { isConfigType, isIndexType, isLayerType, isManifestType, MEDIA } from '../../oci/media-type.js'
import { formatPlatform, normalisePlatform, type Platform, platformMatches } from '../../oci/platform.js'
import { parseReference } from '../../oci/reference.js'
import { nodeSha256 } from '../../util/hash.js'
import { type ArchiveFiles, readDocument, type StagedFile } from './archive-files.js'
import type { ArchivedImage } from './archived-image.js'
import { namesOf, readDockerManifest } from './docker-archive.js'

const MAX_INDEX_DEPTH = 4

/**
 * Images of an OCI layout: of an image for several platforms the one for `platform`, or its only one.
 *
 * @param select leaves of what the index lists what is wanted
 * @throws TsboxError E_ARCHIVE_INVALID, E_MANIFEST_INVALID, E_DIGEST_MISMATCH, E_NO_PLATFORM
 * @see OCI image-spec 1.1, image-layout.md
 */
export async function readLayout(
  files: ArchiveFiles,
  platform: Platform,
  select: (all: readonly Descriptor[]) => readonly Descriptor[] = (all) => all,
): Promise<ArchivedImage[]> {
  const layout = parseObject(readDocument((await files.file(LAYOUT_FILE))!, LAYOUT_FILE), LAYOUT_FILE)
  if (!/^1\./.test(String(layout.imageLayoutVersion)))
    throw new TsboxError('E_ARCHIVE_INVALID', `read layout: unknown version "${String(layout.imageLayoutVersion)}"`)
  const index = parseManifest(readDocument((await files.file(INDEX_FILE))!, INDEX_FILE))
  if (!isIndex(index)) throw new TsboxError('E_ARCHIVE_INVALID', `read layout: ${INDEX_FILE} is no index`)
  const reader = new LayoutReader(files, platform)
  const images = new Map<string, ArchivedImage>()
  for (const descriptor of select(index.manifests)) {
    if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) continue
    const found = await reader.image(descriptor)
    const image = images.get(found.digest) ?? found.image
    images.set(found.digest, image)
    const name = nameOf(descriptor)
    if (name !== undefined && !image.names.includes(name)) image.names.push(name)
  }
  const list = [...images.values()]
  await addDockerNames(files, list)
  return list
}

/** Docker writes a layout and its own list; names that only the list has count too. */
async function addDockerNames(files: ArchiveFiles, images: readonly ArchivedImage[]): Promise<void> {
  if (images.every((i) => i.names.length)) return
  for (const item of await readDockerManifest(files)) {
    const config = /([0-9a-f]{64})(?:\.json)?$/.exec(item.Config)?.[1]
    const image = images.find((i) => digestHex(digestOf(nodeSha256, i.config)) === config)
    if (image && image.names.length === 0) image.names.push(...namesOf(item))
  }
}

/** A ref name may be only a tag ("latest"), which names no repository and so no image. */
function nameOf({ annotations }: Descriptor): string | undefined {
  const full = annotations?.[CONTAINERD_NAME]
  const ref = annotations?.[REF_NAME]
  for (const text of [full, ref && /[/:]/.test(ref) ? ref : undefined]) {
    if (text === undefined) continue
    try {
      const { digest, ...name } = parseReference(text)
      return digest === undefined || name.tag !== undefined ? parseReference(text.split('@')[0]!).toString() : undefined
    } catch {
      // Any text may stand there.
    }
  }
  return undefined
}

class LayoutReader {
  readonly #files: ArchiveFiles
  readonly #platform: Platform

  constructor(files: ArchiveFiles, platform: Platform) {
    this.#files = files
    this.#platform = platform
  }

  async image(descriptor: Descriptor, depth = 0): Promise<{ digest: string; image: ArchivedImage }> {
    const bytes = readDocument(await this.#blob(descriptor), 'manifest')
    const manifest = parseManifest(bytes)
    if (!isIndex(manifest)) {
      const mediaType = manifest.mediaType ?? descriptor.mediaType
      return { digest: descriptor.digest, image: await this.#read(manifest, bytes, mediaType) }
    }
    if (depth === MAX_INDEX_DEPTH) throw new TsboxError('E_ARCHIVE_INVALID', 'read layout: indexes are too deep')
    return this.image(await this.#choose(manifest.manifests), depth + 1)
  }

  async #choose(all: readonly Descriptor[]): Promise<Descriptor> {
    // Attestations stand beside images as manifests of a platform that no machine has.
    const images = all.filter((d) => d.platform?.os !== 'unknown')
    const match = images.find((d) => d.platform && platformMatches(normalisePlatform(d.platform), this.#platform))
    const chosen = match ?? (images.length === 1 ? images[0] : undefined)
    if (chosen) return chosen
    const there = images.map((d) => (d.platform ? formatPlatform(normalisePlatform(d.platform)) : '?')).join(', ')
    throw new TsboxError(
      'E_NO_PLATFORM',
      `load image: none for "${formatPlatform(this.#platform)}" is in the archive`,
      {
        hint: `it has ${there || 'no images'}`,
      },
    )
  }

  async #read(manifest: ImageManifest, bytes: Uint8Array, mediaType: string): Promise<ArchivedImage> {
    if (!isConfigType(manifest.config.mediaType))
      throw new TsboxError('E_ARCHIVE_INVALID', `load image: an artifact, not an image: "${manifest.config.mediaType}"`)
    const config = readDocument(await this.#blob(manifest.config), 'image config')
    const layers = []
    for (const descriptor of manifest.layers) {
      if (!isLayerType(descriptor.mediaType))
        throw new TsboxError('E_ARCHIVE_INVALID', `load image: unknown kind of layer: "${descriptor.mediaType}"`)
      layers.push({ descriptor, file: await this.#find(descriptor) })
    }
    return { names: [], manifest: { bytes, mediaType: mediaType || MEDIA.manifest }, config, layers }
  }

  async #blob(descriptor: Descriptor): Promise<StagedFile> {
    const file = await this.#find(descriptor)
    if (file) return file
    throw new TsboxError('E_ARCHIVE_INVALID', `read layout: a blob is missing: "${descriptor.digest}"`)
  }

  /** @throws TsboxError E_DIGEST_MISMATCH where a blob is not what its name says */
  async #find({ digest, size }: Descriptor): Promise<StagedFile | undefined> {
    if (!isDigest(digest)) throw new TsboxError('E_ARCHIVE_INVALID', `read layout: not a digest: "${digest}"`)
    const file = await this.#files.file(layoutBlobPath(digest))
    if (!file) return undefined
    if (file.digest !== digest || file.sizeBytes !== size)
      throw new TsboxError('E_DIGEST_MISMATCH', `read layout: a blob has other content than its digest: "${digest}"`)
    return file
  }
}
