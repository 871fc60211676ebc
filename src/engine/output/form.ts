import { availableParallelism } from 'node:os'
import { limiter } from '../../base/limit.js'
import type { ExportedImage } from '../../build/export/image.js'
import type { Transfer } from '../../build/progress/transfer.js'
import type { HistoryEntry, ImageConfig } from '../../oci/config.js'
import { type Descriptor, encodeManifest } from '../../oci/manifest.js'
import { layerTypeOf, MEDIA, mediaTypeAs, packingOf } from '../../oci/media-type.js'
import type { BuildOutput } from '../api.js'
import { DEFAULT_LEVEL, type PackDeps, type Packing, packLayer } from '../layers/pack.js'
import type { WriteWatch } from './folder.js'

/** More layers at once gain nothing, and each costs memory. */
const MAX_PACKERS = 4
/** From this level on zstd takes 150 MB and more. */
const GREEDY_LEVEL = 16

/** In what form an output wants the image. */
export interface ImageForm {
  compression?: BuildOutput['compression']
  /** Times of all layers, the base's too, become at most this; seconds since 1970. */
  clampTo?: number | undefined
  family: 'oci' | 'docker'
  /** Of the manifest. */
  annotations: Readonly<Record<string, string>>
}

/**
 * The same image with layers packed, times clamped, annotated, or named by other media types. All of it is in the store
 * afterwards, without a name, and held.
 *
 * @throws TsboxError E_BLOB_CORRUPT, E_DISK_FULL, E_PACK
 */
export async function imageInForm(
  deps: PackDeps,
  image: ExportedImage,
  layers: readonly Descriptor[],
  form: ImageForm,
  { signal, transfer }: WriteWatch,
): Promise<ExportedImage> {
  const moved = transfer('exporting layers', 0)
  const limit = limiter(packers(form))
  const made = await Promise.all(
    layers.map((descriptor, i) => {
      const layer = { descriptor, diffID: image.configJson.rootfs.diff_ids[i]!, inherited: image.inherited[i]! }
      return limit(() => layerInForm(deps, layer, form, { signal, moved }))
    }),
  )
  moved.end()
  const configJson = configOf(image.configJson, made, form)
  const config = put(deps, mediaTypeAs(form.family, MEDIA.config), new TextEncoder().encode(JSON.stringify(configJson)))
  const descriptors = made.map(({ descriptor: d }) => ({ ...d, mediaType: mediaTypeAs(form.family, d.mediaType) }))
  const bytes = encodeManifest(config, descriptors, { annotations: { ...form.annotations }, family: form.family })
  const manifest = put(deps, mediaTypeAs(form.family, MEDIA.manifest), bytes)
  deps.shop.lease.hold('manifest', manifest.digest)
  return { manifest, config, configJson, inherited: image.inherited }
}

interface FormLayer {
  descriptor: Descriptor
  diffID: string
}

function packers({ compression }: ImageForm): number {
  if (compression?.kind === 'zstd' && (compression.level ?? 0) >= GREEDY_LEVEL) return 1
  return Math.min(MAX_PACKERS, availableParallelism())
}

async function layerInForm(
  deps: PackDeps,
  layer: FormLayer & { inherited: boolean },
  form: ImageForm,
  watch: { signal: AbortSignal; moved: Transfer },
): Promise<FormLayer> {
  watch.signal.throwIfAborted()
  const was = packingOf(layer.descriptor.mediaType)
  const { diffID } = form.clampTo === undefined ? layer : await deps.layers.seal({ diffID: layer.diffID }, form.clampTo)
  const changed = diffID !== layer.diffID
  const wanted = wantedPacking(form, was, layer.inherited)
  // As in BuildKit, a layer that is packed in the wanted way already is not packed again, whatever its level.
  const kept = !changed && (wanted === 'as it is' || (wanted?.kind ?? 'none') === was)
  if (kept) return layer
  if (wanted === undefined || wanted === 'as it is') {
    const { sizeBytes } = await deps.layers.seal({ diffID }, undefined)
    return { diffID, descriptor: { mediaType: MEDIA.layer, digest: diffID, size: sizeBytes } }
  }
  const blob = await packLayer(deps, diffID, wanted, watch.signal, (bytes) => watch.moved.add(bytes))
  return { diffID, descriptor: { mediaType: layerTypeOf(wanted.kind), digest: blob.digest, size: blob.sizeBytes } }
}

/** How a layer shall be packed; undefined is a plain tar. */
function wantedPacking(
  { compression, clampTo }: ImageForm,
  was: ReturnType<typeof packingOf>,
  inherited: boolean,
): Packing | undefined | 'as it is' {
  if (!compression || (inherited && !compression.force))
    // One that is written anew must be packed anew, as it was.
    return clampTo === undefined ? 'as it is' : was === 'none' ? undefined : { kind: was, level: DEFAULT_LEVEL[was] }
  const { kind, level } = compression
  return kind === 'uncompressed' ? undefined : { kind, level: level ?? DEFAULT_LEVEL[kind] }
}

/** The configuration names the layers that were made; no line of its history is later than what times are clamped to. */
function configOf(config: ImageConfig, layers: readonly FormLayer[], { clampTo }: ImageForm): ImageConfig {
  if (clampTo === undefined) return config
  const latest = new Date(clampTo * 1000).toISOString().replace('.000Z', 'Z')
  const clamped = (h: HistoryEntry): HistoryEntry =>
    h.created === undefined || Date.parse(h.created) > clampTo * 1000 ? { ...h, created: latest } : h
  return {
    ...config,
    rootfs: { ...config.rootfs, diff_ids: layers.map((l) => l.diffID) },
    ...(config.history ? { history: config.history.map(clamped) } : {}),
  }
}

function put({ shop }: PackDeps, mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: shop.store.blobs.put(bytes, shop.lease).digest, size: bytes.length }
}
