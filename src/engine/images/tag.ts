import { TsboxError } from '../../base/error.js'
import { parseReference } from '../../oci/reference.js'
import type { ImageDeps } from './deps.js'
import { findImage } from './stored-image.js'

/**
 * Gives an image one more name, taking it from the image that had it.
 *
 * @throws TsboxError E_IMAGE_NOT_FOUND, E_REFERENCE_INVALID
 */
export function tagImage({ store, lease, now }: ImageDeps, source: string, target: string): void {
  const name = tagName(target)
  const record = findImage(store, source)
  const digest = record.manifest.digest
  // Pinned, then looked for: it may have been removed between finding and pinning.
  if (!lease.pin('manifest', digest, () => store.blobs.has(digest)))
    throw new TsboxError('E_IMAGE_NOT_FOUND', `no such image: ${source}`)
  store.images.set(name, record, lease, now())
}

/** Canonical name with a tag. @throws TsboxError E_REFERENCE_INVALID, also for a name with a digest */
export function tagName(text: string): string {
  const reference = parseReference(text)
  if (reference.digest === undefined) return reference.toString()
  throw new TsboxError('E_REFERENCE_INVALID', `tag image: refusing to create a tag with a digest: "${text}"`, {
    hint: 'leave out what follows the @',
  })
}
