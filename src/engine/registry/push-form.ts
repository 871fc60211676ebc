import { availableParallelism } from 'node:os'
import { limiter } from '../../base/limit.js'
import { digestOf } from '../../oci/digest.js'
import { type Descriptor, encodeManifest } from '../../oci/manifest.js'
import { layerTypeOf, mediaTypeAs, packingOf } from '../../oci/media-type.js'
import { nodeSha256 } from '../../util/hash.js'
import type { PushForm } from '../api/registry.js'
import type { StoredImage } from '../images/stored-image.js'
import { type PackDeps, type Packing, packLayer } from '../layers/pack.js'

/** gzip's 3 takes little more than half the time of its 6, and gives 5 % more: about as much as other tools push. */
const PUSH_LEVEL = { gzip: 3, zstd: 3 } as const

/** A manifest as it goes to a registry, with the layers that it names. */
export interface PushedForm {
  bytes: Uint8Array
  digest: string
  mediaType: string
  config: Descriptor
  layers: { descriptor: Descriptor; diffID: string }[]
}

/**
 * The image as it is to be pushed: layers that are not packed get packed, all others stay the blobs that they came as.
 * Where nothing has to change, the manifest stays byte for byte. What is packed is in the store afterwards, held.
 *
 * @param packing is asked for when something must be packed
 * @throws TsboxError E_BLOB_CORRUPT, E_DISK_FULL, E_PACK
 */
export async function pushForm(
  image: StoredImage,
  form: PushForm,
  packing: () => Promise<PackDeps>,
  manifestBytes: Uint8Array,
  signal: AbortSignal,
): Promise<PushedForm> {
  const limit = limiter(Math.min(4, availableParallelism()))
  const layers = await Promise.all(
    image.manifest.layers.map((descriptor, i) => {
      const diffID = image.config.rootfs.diff_ids[i]!
      return limit(async () => {
        signal.throwIfAborted()
        const wanted = packingFor(form, packingOf(descriptor.mediaType))
        return {
          diffID,
          descriptor: wanted ? await repacked(await packing(), descriptor, diffID, wanted, signal) : descriptor,
        }
      })
    }),
  )
  const { mediaType } = image.record.manifest
  const changed = layers.some((l, i) => l.descriptor !== image.manifest.layers[i])
  const family = form.format ?? (/docker/.test(mediaType) ? 'docker' : 'oci')
  const same = mediaTypeAs(family, mediaType) === mediaType
  if (!changed && same) {
    const { digest } = image.record.manifest
    return { bytes: manifestBytes, digest, mediaType, config: image.manifest.config, layers }
  }
  return encoded(image, layers, family)
}

function encoded(image: StoredImage, layers: PushedForm['layers'], family: 'oci' | 'docker'): PushedForm {
  const as = (d: Descriptor) => ({ ...d, mediaType: mediaTypeAs(family, d.mediaType) })
  const named = layers.map(({ descriptor, diffID }) => ({ descriptor: as(descriptor), diffID }))
  const config = as(image.manifest.config)
  // Docker's manifests have no annotations.
  const annotations = family === 'oci' ? (image.manifest.annotations ?? {}) : {}
  const bytes = encodeManifest(
    config,
    named.map((l) => l.descriptor),
    { annotations, family },
  )
  const mediaType = mediaTypeAs(family, image.record.manifest.mediaType)
  return { bytes, digest: digestOf(nodeSha256, bytes), mediaType, config, layers: named }
}

/** How a layer is to be packed; undefined where it stays as it is. */
function packingFor({ compression }: PushForm, was: ReturnType<typeof packingOf>): Packing | 'none' | undefined {
  const { kind, level, force } = compression ?? { kind: 'gzip' as const, level: undefined, force: false }
  if (was === (kind === 'uncompressed' ? 'none' : kind) || (was !== 'none' && !force)) return undefined
  return kind === 'uncompressed' ? 'none' : { kind, level: level ?? PUSH_LEVEL[kind] }
}

async function repacked(
  deps: PackDeps,
  { annotations }: Descriptor,
  diffID: string,
  wanted: Packing | 'none',
  signal: AbortSignal,
): Promise<Descriptor> {
  const noted = annotations ? { annotations } : {}
  if (wanted === 'none') {
    const { sizeBytes } = await deps.layers.seal({ diffID }, undefined)
    return { mediaType: layerTypeOf('none'), digest: diffID, size: sizeBytes, ...noted }
  }
  const blob = await packLayer(deps, diffID, wanted, signal)
  return { mediaType: layerTypeOf(wanted.kind), digest: blob.digest, size: blob.sizeBytes, ...noted }
}
