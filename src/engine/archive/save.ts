import { type Pack, pack as packTar } from 'tar-stream'
import { compareNames } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import {
  CONTAINERD_NAME,
  DOCKER_MANIFEST_FILE,
  type DockerArchiveImage,
  INDEX_FILE,
  LAYOUT_FILE,
  LAYOUT_JSON,
  layoutBlobPath,
  REF_NAME,
} from '../../oci/layout.js'
import type { Descriptor, ImageIndex } from '../../oci/manifest.js'
import { MEDIA } from '../../oci/media-type.js'
import { parseNamed, type Reference } from '../../oci/reference.js'
import { readChunks } from '../../util/read-chunks.js'
import type { ImageDeps } from '../images/deps.js'
import { openImage, readImage, type StoredImage } from '../images/stored-image.js'

/** An image to save, with the names to save it under. */
export interface Wanted {
  image: StoredImage
  names: Reference[]
  /** Of its descriptor in the index. */
  annotations?: Readonly<Record<string, string>> | undefined
}

/**
 * Writes one archive that is an OCI layout and, by its manifest.json, an archive of `docker save`. The same images give
 * the same bytes. A name without a tag means all its tags, as docker has it.
 *
 * @param write gets the archive in order; a promise from it holds the rest back
 * @throws TsboxError E_IMAGE_NOT_FOUND before anything is written, E_BLOB_MISSING
 */
export async function saveImages(
  deps: ImageDeps,
  references: readonly string[],
  write: (chunk: Uint8Array) => Promise<void> | void,
): Promise<void> {
  await writeArchive(deps, collectImages(deps, references), { docker: true }, write)
}

/** What an archive is made from. */
export type SaveDeps = Pick<ImageDeps, 'store' | 'lease' | 'openTar'>

/** Writes images that are already found. @param options `docker` adds the manifest.json of `docker save` */
export async function writeArchive(
  deps: SaveDeps,
  wanted: readonly Wanted[],
  options: { docker: boolean },
  write: (chunk: Uint8Array) => Promise<void> | void,
): Promise<void> {
  const pack = packTar()
  const filled = fill(deps, pack, wanted, options).then(
    () => pack.finalize(),
    (err: unknown) => pack.destroy(err as Error),
  )
  for await (const chunk of pack as AsyncIterable<Uint8Array>) await write(chunk)
  await filled
}

function collectImages(deps: ImageDeps, references: readonly string[]): Wanted[] {
  const byManifest = new Map<string, Wanted>()
  for (const text of references) {
    for (const { image, name } of resolveAll(deps, text)) {
      const wanted = byManifest.get(image.manifestDigest) ?? { image, names: [] }
      byManifest.set(image.manifestDigest, wanted)
      if (name && !wanted.names.some((n) => n.toString() === name.toString())) wanted.names.push(name)
    }
  }
  return [...byManifest.values()]
}

function resolveAll(deps: ImageDeps, text: string): { image: StoredImage; name: Reference | undefined }[] {
  const all = allTags(deps, text)
  if (all.length) return all
  const image = openImage(deps.store, deps.lease, text)
  // By digest or id the image is meant, not one of its names.
  const named = image.record.name !== undefined && isName(text, image.record.name)
  const name = named ? parseNamed(image.record.name!) : undefined
  // A name with a digest is none that an archive could give back.
  return [{ image, name: name?.tag === undefined ? undefined : name }]
}

function allTags({ store, lease }: ImageDeps, text: string) {
  const wanted = tryName(text)
  if (!wanted || wanted.tag !== undefined || wanted.digest !== undefined) return []
  return store.images
    .list()
    .flatMap((r) => (r.name === undefined ? [] : [{ record: r, name: parseNamed(r.name) }]))
    .filter(({ name }) => name.repository === wanted.repository)
    .sort((a, b) => compareNames(a.name.toString(), b.name.toString()))
    .map(({ record, name }) => ({ image: readImage(store, lease, record), name }))
}

function tryName(text: string): Reference | undefined {
  try {
    return parseNamed(text)
  } catch {
    return undefined
  }
}

function isName(text: string, name: string): boolean {
  return tryName(text)?.toString() === name
}

async function fill(
  deps: SaveDeps,
  pack: Pack,
  wanted: readonly Wanted[],
  { docker }: { docker: boolean },
): Promise<void> {
  await addDir(pack, 'blobs/')
  await addDir(pack, 'blobs/sha256/')
  for (const blob of blobsOf(wanted)) await addBlob(deps, pack, blob)
  for (const { name, text } of documentsOf(wanted, docker)) await addFile(pack, name, Buffer.from(text))
}

/** The files of a layout that are no blobs, in the order of the archive. */
export function documentsOf(wanted: readonly Wanted[], docker: boolean): { name: string; text: string }[] {
  const list = { name: DOCKER_MANIFEST_FILE, text: JSON.stringify(wanted.map(dockerImage)) }
  return [
    { name: INDEX_FILE, text: JSON.stringify(indexOf(wanted)) },
    ...(docker ? [list] : []),
    { name: LAYOUT_FILE, text: LAYOUT_JSON },
  ]
}

/** Every blob once, by digest; a layer that is only a snapshot has its diffID as its digest. */
export function blobsOf(wanted: readonly Wanted[]): Descriptor[] {
  const blobs = new Map<string, Descriptor>()
  for (const { image } of wanted) {
    const { digest, size } = image.record.manifest
    for (const d of [{ mediaType: MEDIA.manifest, digest, size }, image.manifest.config, ...image.manifest.layers])
      blobs.set(d.digest, d)
  }
  return [...blobs.values()].sort((a, b) => compareNames(a.digest, b.digest))
}

function indexOf(wanted: readonly Wanted[]): ImageIndex {
  const manifests = wanted.flatMap(({ image, names, annotations = {} }) => {
    const { digest, size, mediaType } = image.record.manifest
    const { architecture, os, variant } = image.config
    const platform = variant === undefined ? { architecture, os } : { architecture, os, variant }
    const own = Object.keys(annotations).length ? { annotations: { ...annotations } } : {}
    const descriptor = { mediaType, digest, size, ...own, platform }
    if (names.length === 0) return [descriptor]
    // The full name in both: containerd and docker read the one, podman and skopeo the other.
    return names.map((n) => ({
      ...descriptor,
      annotations: { ...annotations, [CONTAINERD_NAME]: n.toString(), [REF_NAME]: n.toString() },
    }))
  })
  return { schemaVersion: 2, mediaType: MEDIA.index, manifests }
}

function dockerImage({ image, names }: Wanted): DockerArchiveImage {
  return {
    Config: layoutBlobPath(image.configDigest),
    RepoTags: names.length ? names.map((n) => n.familiar) : null,
    Layers: image.manifest.layers.map((l) => layoutBlobPath(l.digest)),
  }
}

async function addBlob(deps: SaveDeps, pack: Pack, blob: Descriptor): Promise<void> {
  return addStream(pack, layoutBlobPath(blob.digest), blob.size, blobContent(deps, blob))
}

/** Content of a blob, or the tar of a layer that is only a snapshot. @throws TsboxError E_BLOB_CORRUPT */
export function blobContent(deps: SaveDeps, { digest, size }: Descriptor): AsyncIterable<Uint8Array> {
  const { blobs } = deps.store
  if (blobs.has(digest, size)) return readChunks(blobs.path(digest))
  if (blobs.has(digest))
    throw new TsboxError('E_BLOB_CORRUPT', `save image: blob has not the ${size} bytes that it should: "${digest}"`)
  return deps.openTar(digest)
}

const PLAIN = { mtime: new Date(0), uid: 0, gid: 0 }

function addDir(pack: Pack, name: string): Promise<void> {
  return addFile(pack, name, undefined)
}

function addFile(pack: Pack, name: string, content: Buffer | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (err?: Error | null) => (err ? reject(err) : resolve())
    if (content) pack.entry({ ...PLAIN, name, mode: 0o644, size: content.length }, content, done)
    else pack.entry({ ...PLAIN, name, mode: 0o755, type: 'directory' }, done)
  })
}

async function addStream(pack: Pack, name: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const entry = pack.entry({ ...PLAIN, name, mode: 0o644, size }, (err) => (err ? reject(err) : resolve()))
    const feed = async () => {
      for await (const chunk of chunks) {
        // Copied: pieces of a tar are only valid until the next one, and the pack keeps them until they are read.
        if (!entry.write(Buffer.from(chunk))) await new Promise<void>((r) => entry.once('drain', () => r()))
      }
      entry.end(null)
    }
    entry.on('error', reject)
    feed().catch(reject)
  })
}
