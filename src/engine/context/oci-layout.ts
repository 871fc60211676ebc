import { statSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import type { SourceImage } from '../../build/seams.js'
import { INDEX_FILE, LAYOUT_FILE, LAYOUT_SCHEME, REF_NAME } from '../../oci/layout.js'
import type { Descriptor } from '../../oci/manifest.js'
import type { Platform } from '../../oci/platform.js'
import { readFolder } from '../archive/archive-files.js'
import { readLayout } from '../archive/oci-layout.js'
import { storeImage } from '../archive/store-image.js'
import { readImage } from '../images/stored-image.js'
import type { Workshop } from '../layers/workshop.js'

/** An image of a layout: without a tag or a digest, `latest`, else the only one. */
interface LayoutReference {
  dir: string
  tag?: string | undefined
  digest?: string | undefined
}

function parseLayoutReference(text: string): LayoutReference {
  const [, rest, digest] = /^(.*?)(?:@(sha256:[0-9a-f]{64}))?$/s.exec(text.slice(LAYOUT_SCHEME.length))!
  const [, dir, tag] = /^(.*?)(?::(\w[\w.-]{0,127}))?$/s.exec(rest!)!
  // A colon may be part of the folder's name.
  if (tag === undefined || isDir(rest!)) return { dir: rest!, digest }
  return { dir: dir!, tag, digest }
}

function isDir(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/**
 * An image of an OCI layout folder, its blobs verified and brought into the store without a tag.
 *
 * @param reference `oci-layout://DIR[:TAG][@DIGEST]`, the folder absolute
 * @throws TsboxError E_CONTEXT, E_IMAGE_NOT_FOUND, E_NO_PLATFORM, E_DIGEST_MISMATCH, E_ARCHIVE_INVALID
 */
export async function layoutImage(shop: Workshop, reference: string, platform: Platform): Promise<SourceImage> {
  const { dir, tag, digest } = parseLayoutReference(reference)
  const { store, lease } = shop
  const files = readFolder(dir, store.blobs, lease)
  try {
    if (!isDir(dir) || !(await files.file(LAYOUT_FILE)) || !(await files.file(INDEX_FILE)))
      throw new TsboxError('E_CONTEXT', `open context: not an OCI layout folder: "${dir}"`)
    const select = (all: readonly Descriptor[]) => selectImage(all, tag, digest)
    const [found] = await readLayout(files, platform, select)
    if (!found) throw notFound(reference)
    const target = await storeImage({ store, lease }, files, found)
    const image = readImage(store, lease, { ...target, tagged: shop.now() })
    return { digest: image.manifestDigest, config: image.config, layers: image.layers, reference }
  } finally {
    files.close()
  }
}

function selectImage(all: readonly Descriptor[], tag?: string, digest?: string): readonly Descriptor[] {
  const tagged = (name: string) =>
    all.filter((d) => {
      const ref = d.annotations?.[REF_NAME]
      return ref === name || ref?.endsWith(`:${name}`)
    })
  if (digest !== undefined) return all.filter((d) => d.digest === digest)
  if (tag !== undefined) return tagged(tag)
  const latest = tagged('latest')
  return latest.length || all.length !== 1 ? latest : all
}

function notFound(reference: string): TsboxError {
  return new TsboxError('E_IMAGE_NOT_FOUND', `no such image: ${reference}`, {
    hint: 'index.json of the folder says what is in it; name one with :TAG or @sha256:DIGEST',
  })
}
