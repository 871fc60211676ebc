import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import type { ContainerConfig, ImageConfig } from '../../oci/config.js'
import { formatTime, parseConfig } from '../../oci/image-config.js'
import type { ImageManifest } from '../../oci/manifest.js'
import { isIndex, parseManifest } from '../../oci/manifest.js'
import type { CommitRequest } from '../api.js'
import { applyChanges } from '../images/change.js'
import type { ImageDeps } from '../images/deps.js'
import { publishImage, sourceDateEpoch } from '../images/new-image.js'
import { tagName } from '../images/tag.js'
import type { NodeLayers } from '../layers/node-layers.js'
import { settingsOf } from '../run/start-container.js'

/** What the process of a container has that its image does not say: tsbox adds it at every start. */
const ADDED = ['HOSTNAME', 'TERM', 'PATH', 'HOME']

/**
 * Makes an image of a container: a layer of what it changed, and its configuration.
 *
 * @param changed digest of the layer of what it changed
 * @returns the image's id
 * @throws TsboxError E_REFERENCE_INVALID, E_CHANGE_UNSUPPORTED
 */
export async function commitImage(
  deps: ImageDeps,
  layers: NodeLayers,
  record: ContainerRecord,
  changed: string,
  request: CommitRequest,
): Promise<string> {
  const name = request.reference === undefined ? undefined : tagName(request.reference)
  const base = imageOf(deps, record)
  const config = applyChanges(configOf(record, base.config ?? {}), request.changes)
  const created = formatTime(sourceDateEpoch(deps.env) ?? deps.now())
  const sealed = await Promise.all([...record.layers, { diffID: changed }].map((l) => layers.seal(l, undefined)))
  const image: ImageConfig = {
    ...base,
    created,
    ...(request.author ? { author: request.author } : {}),
    config,
    rootfs: { type: 'layers', diff_ids: sealed.map((s) => s.diffID) },
    history: [
      ...(base.history ?? []),
      {
        created,
        created_by: record.args.join(' '),
        ...(request.author ? { author: request.author } : {}),
        ...(request.message ? { comment: request.message } : {}),
      },
    ],
  }
  const sizes = sealed.map((s) => s.sizeBytes)
  return publishImage(deps, image, sizes, name).config
}

/** The configuration of the image that the container was made of: it is kept as long as the container. */
function imageOf({ store }: ImageDeps, record: ContainerRecord): ImageConfig {
  const manifest = parseManifest(store.blobs.read(record.manifest))
  if (isIndex(manifest))
    throw new TsboxError('E_MANIFEST_INVALID', `commit: the image of the container is an index: "${record.manifest}"`)
  return parseConfig(store.blobs.read((manifest as ImageManifest).config.digest))
}

/** What the container runs, on top of what its image says. */
function configOf(record: ContainerRecord, image: ContainerConfig): ContainerConfig {
  const settings = settingsOf(record)
  const own = new Set((image.Env ?? []).map(keyOf))
  const env = settings.env.filter((e) => own.has(keyOf(e)) || !isAdded(e, settings.hostname))
  return {
    ...image,
    Env: env,
    Cmd: [...settings.command],
    ...(settings.entrypoint.length ? { Entrypoint: [...settings.entrypoint] } : {}),
    ...(settings.cwd === '/' && !image.WorkingDir ? {} : { WorkingDir: settings.cwd }),
    ...(settings.user ? { User: settings.user } : {}),
    ...(Object.keys(settings.labels).length ? { Labels: { ...settings.labels } } : {}),
    ...(settings.stopSignal ? { StopSignal: settings.stopSignal } : {}),
  }
}

function keyOf(variable: string): string {
  return variable.slice(0, variable.indexOf('='))
}

function isAdded(variable: string, hostname: string): boolean {
  const key = keyOf(variable)
  if (!ADDED.includes(key)) return false
  return key !== 'HOSTNAME' || variable === `HOSTNAME=${hostname}`
}
