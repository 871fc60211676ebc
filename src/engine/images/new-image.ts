import { TsboxError } from '../../base/error.js'
import type { ImageConfig } from '../../oci/config.js'
import { encodeConfig } from '../../oci/image-config.js'
import { encodeManifest } from '../../oci/manifest.js'
import { MEDIA } from '../../oci/media-type.js'
import type { ImageTarget } from '../../store/images.js'
import type { ImageDeps } from './deps.js'

/**
 * Stores an image of layers that are in the store already as plain tars (or snapshots), and names it.
 *
 * @param name canonical, with a tag; undefined keeps it without a name
 * @param layerSizes bytes of each layer's tar, in the order of the configuration's diffIDs
 */
export function publishImage(
  { store, lease, now }: ImageDeps,
  config: ImageConfig,
  layerSizes: readonly number[],
  name: string | undefined,
): ImageTarget {
  const stored = store.blobs.put(encodeConfig(config), lease)
  const layers = config.rootfs.diff_ids.map((digest, i) => ({ mediaType: MEDIA.layer, digest, size: layerSizes[i]! }))
  const descriptor = { mediaType: MEDIA.config, digest: stored.digest, size: stored.sizeBytes }
  const manifest = store.blobs.put(encodeManifest(descriptor, layers), lease)
  const target: ImageTarget = {
    manifest: { digest: manifest.digest, size: manifest.sizeBytes, mediaType: MEDIA.manifest },
    config: stored.digest,
  }
  lease.hold('manifest', manifest.digest)
  store.images.set(name, target, lease, now())
  return target
}

/** SOURCE_DATE_EPOCH in seconds, undefined where it is not set. @throws TsboxError E_SOURCE_DATE_EPOCH */
export function sourceDateEpoch(env: ImageDeps['env']): number | undefined {
  const text = env.SOURCE_DATE_EPOCH
  if (!text) return undefined
  if (/^\d{1,12}$/.test(text)) return Number(text)
  throw new TsboxError('E_SOURCE_DATE_EPOCH', `read SOURCE_DATE_EPOCH: not seconds since 1970: "${text}"`)
}
