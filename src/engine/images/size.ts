import { MEDIA } from '../../oci/media-type.js'
import type { Store } from '../../store/store.js'
import type { StoredImage } from './stored-image.js'

const PLAIN = new Set<string>([MEDIA.layer, MEDIA.dockerLayer])

/** Bytes of each layer's uncompressed tar, base first; of one that was never unpacked, bytes of its blob. */
export function layerSizes(store: Store, { manifest, config }: StoredImage): number[] {
  return manifest.layers.map(({ mediaType, size }, i) => {
    const diffID = config.rootfs.diff_ids[i]
    if (PLAIN.has(mediaType) || diffID === undefined) return size
    return store.layers.tarSize(diffID) ?? size
  })
}

/** Bytes of all layers. */
export function imageSize(store: Store, image: StoredImage): number {
  return layerSizes(store, image).reduce((sum, n) => sum + n, 0)
}
