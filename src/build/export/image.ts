import type { ContainerConfig, HistoryEntry, ImageConfig } from '../../oci/config.js'
import { type Descriptor, encodeManifest } from '../../oci/manifest.js'
import { MEDIA, mediaTypeAs } from '../../oci/media-type.js'
import { hashOf } from '../graph/key.js'
import type { Plan } from '../graph/plan.js'
import type { StartTransfer } from '../progress/transfer.js'
import type { BuildHost, ImageSink, Layer } from '../seams.js'
import type { Solved, Solver } from '../solve/solver.js'

/** Comment of history lines, as BuildKit sets its own. */
const COMMENT = 'tsbox.dockerfile.v1'

export interface ExportedImage {
  manifest: Descriptor
  config: Descriptor
  configJson: ImageConfig
  /** Of each layer, base first: whether it came with the base image, as the blob that the manifest names. */
  inherited: readonly boolean[]
  /** Absent where it is SOURCE_DATE_EPOCH. */
  date?: ImageDate | undefined
}

/** When the first image with this configuration was made (seconds since 1970), and the key that it is remembered under. */
export interface ImageDate {
  key: string
  created: number
}

interface ExportOptions {
  epoch?: number | undefined
  signal: AbortSignal
  inline?: ((date: ImageDate | undefined) => object) | undefined
  transfer: StartTransfer
}

/**
 * Makes the image of a solved target: seals its layers, writes configuration and manifest.
 *
 * @param job `epoch` is SOURCE_DATE_EPOCH: times of new layers are clamped to it and every date of the image is it;
 *   once `signal` is aborted, nothing is tagged any more; `inline` gives the fields of an inline cache
 */
export async function exportImage(
  host: BuildHost,
  sink: ImageSink,
  plan: Plan,
  solver: Solver,
  solved: Solved,
  { epoch, signal, inline, transfer }: ExportOptions,
): Promise<ExportedImage> {
  const moved = transfer('exporting layers', 0)
  const describe = async (layer: Layer) => {
    const described = await layerDescriptor(host, layer, epoch)
    moved.add(described.descriptor.size)
    return described
  }
  const descriptors = await Promise.all(solved.layers.map(describe))
  signal.throwIfAborted()
  const fixed = fixedConfig(
    plan,
    solver,
    descriptors.map((d) => d.diffID),
    epoch,
  )
  const date = epoch === undefined ? imageDate(host, fixed) : undefined
  const configJson: ImageConfig = { created: isoTime(date?.created ?? epoch!), ...fixed, ...inline?.(date) }
  const config = await putJson(sink, MEDIA.config, new TextEncoder().encode(JSON.stringify(configJson)))
  const bytes = encodeManifest(
    config,
    descriptors.map((d) => d.descriptor),
  )
  const manifest = await putJson(sink, MEDIA.manifest, bytes)
  await sink.tag(manifest, config)
  return { manifest, config, configJson, date, inherited: solved.layers.map((l) => l.descriptor !== undefined) }
}

async function layerDescriptor(
  host: BuildHost,
  layer: Layer,
  epoch: number | undefined,
): Promise<{ diffID: string; descriptor: Descriptor }> {
  // The manifest is OCI's, whatever that of the base was.
  if (layer.descriptor && layer.diffID) {
    const mediaType = mediaTypeAs('oci', layer.descriptor.mediaType)
    return { diffID: layer.diffID, descriptor: { ...layer.descriptor, mediaType } }
  }
  const { diffID, sizeBytes } = await host.layers.seal(layer, epoch)
  return { diffID, descriptor: { mediaType: MEDIA.layer, digest: diffID, size: sizeBytes } }
}

async function putJson(sink: ImageSink, mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
  return { mediaType, digest: await sink.putBlob(bytes), size: bytes.length }
}

/** The configuration without the date of the image. */
function fixedConfig(plan: Plan, solver: Solver, diffIDs: string[], epoch: number | undefined): ImageConfig {
  const { state } = plan
  const { platform } = state
  return {
    ...(state.author === undefined ? {} : { author: state.author }),
    architecture: platform.architecture,
    ...(platform.variant ? { variant: platform.variant } : {}),
    os: platform.os,
    config: sortedConfig(state.config),
    rootfs: { type: 'layers', diff_ids: diffIDs },
    history: historyOf(plan, solver, epoch),
  }
}

/** A rebuild that changed nothing has the time of the first one, so that its digest is the same. */
function imageDate(host: BuildHost, fixed: ImageConfig): ImageDate {
  const key = hashOf(host.sha256, { image: fixed })
  const known = host.cache.get(key)?.created
  if (known !== undefined) return { key, created: known }
  const created = host.now()
  host.cache.put(key, { key, created })
  return { key, created }
}

/** Dates of lines without a layer are those of the layer below. */
function historyOf(plan: Plan, solver: Solver, epoch: number | undefined): HistoryEntry[] {
  let last: string | undefined = plan.state.base?.created
  return plan.state.history.map((h) => {
    if (h.inherited) {
      last = h.inherited.created ?? last
      return h.inherited
    }
    const made = h.vertex ? solver.created.get(h.vertex) : undefined
    if (epoch !== undefined) last = isoTime(epoch)
    else if (made !== undefined) last = isoTime(made)
    return {
      ...(last === undefined ? {} : { created: last }),
      created_by: h.createdBy,
      comment: COMMENT,
      ...(h.vertex ? {} : { empty_layer: true }),
    }
  })
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}

/** Fields in one order and maps by key, so that equal configurations are equal bytes. */
function sortedConfig(c: ContainerConfig): ContainerConfig {
  const order: (keyof ContainerConfig)[] = [
    'User',
    'ExposedPorts',
    'Env',
    'Entrypoint',
    'Cmd',
    'Volumes',
    'WorkingDir',
    'Labels',
    'StopSignal',
    'ArgsEscaped',
    'Healthcheck',
    'OnBuild',
    'Shell',
  ]
  const out: Record<string, unknown> = {}
  for (const key of order) {
    const value = c[key]
    if (value === undefined || value === null || value === '') continue
    out[key] = typeof value === 'object' && !Array.isArray(value) && key !== 'Healthcheck' ? sortedKeys(value) : value
  }
  return out as ContainerConfig
}

function sortedKeys(map: object): object {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}
