import { TsboxError } from '../../base/error.js'
import type { Layer } from '../../build/seams.js'
import type { ImageConfig } from '../../oci/config.js'
import { parseConfig } from '../../oci/image-config.js'
import { type ImageManifest, isIndex, parseManifest } from '../../oci/manifest.js'
import { isIdPrefix, parseReference } from '../../oci/reference.js'
import type { ImageRecord } from '../../store/images.js'
import type { Lease } from '../../store/lease.js'
import type { Store } from '../../store/store.js'

/** An image of the store, read and pinned. */
export interface StoredImage {
  record: ImageRecord
  manifestDigest: string
  /** Docker's image id, `sha256:…`. */
  configDigest: string
  manifest: ImageManifest
  config: ImageConfig
  /** Base first, each with the blob that the manifest names. */
  layers: Layer[]
}

/**
 * Finds an image by name, by digest or by (the beginning of) its id, as docker does: names come first.
 *
 * @throws TsboxError E_IMAGE_NOT_FOUND, E_IMAGE_AMBIGUOUS, E_REFERENCE_INVALID
 */
export function findImage(store: Store, reference: string): ImageRecord {
  const named = byName(store, reference)
  if (named) return named
  if (isIdPrefix(reference)) {
    const prefix = reference.startsWith('sha256:') ? reference : `sha256:${reference}`
    const found = new Map<string, ImageRecord>()
    for (const r of store.images.list()) {
      if (r.config.startsWith(prefix) || r.manifest.digest === prefix) found.set(r.config, r)
    }
    if (found.size > 1)
      throw new TsboxError('E_IMAGE_AMBIGUOUS', `find image: several ids begin with "${reference}"`, {
        hint: 'give more of the id',
      })
    const only = [...found.values()][0]
    if (only) return only
  } else parseReference(reference)
  throw new TsboxError('E_IMAGE_NOT_FOUND', `no such image: ${reference}`, {
    hint: `tsbox images lists what is there; tsbox load -i FILE or tsbox image from-host ${reference} PROGRAM… brings one in`,
  })
}

function byName(store: Store, text: string): ImageRecord | undefined {
  let reference: ReturnType<typeof parseReference>
  try {
    reference = parseReference(text)
  } catch {
    return undefined
  }
  if (reference.digest === undefined) return store.images.get(reference.toString())
  const ofRepository = (name = '') =>
    name.startsWith(`${reference.repository}:`) || name.startsWith(`${reference.repository}@`)
  return store.images
    .list()
    .find((r) => [r.manifest.digest, r.index].includes(reference.digest) && ofRepository(r.name))
}

/** Reads an image and pins all of it. @throws TsboxError E_IMAGE_NOT_FOUND, E_BLOB_MISSING, E_MANIFEST_INVALID */
export function openImage(store: Store, lease: Lease, reference: string): StoredImage {
  return readImage(store, lease, findImage(store, reference))
}

/** As {@link openImage}, for a record that is already found; without a lease the image is not pinned, only looked at. */
export function readImage(store: Store, lease: Lease | undefined, record: ImageRecord): StoredImage {
  lease?.hold('manifest', record.manifest.digest)
  const manifest = parseManifest(store.blobs.read(record.manifest.digest))
  if (isIndex(manifest))
    throw new TsboxError(
      'E_MANIFEST_INVALID',
      `open image: its tag names an index, not a manifest "${record.manifest.digest}"`,
    )
  const config = parseConfig(store.blobs.read(record.config))
  return {
    record,
    manifestDigest: record.manifest.digest,
    configDigest: record.config,
    manifest,
    config,
    layers: config.rootfs.diff_ids.map((diffID, i) => ({ diffID, descriptor: manifest.layers[i] })),
  }
}
