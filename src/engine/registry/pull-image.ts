import { availableParallelism } from 'node:os'
import { TsboxError } from '../../base/error.js'
import { limiter } from '../../base/limit.js'
import type { ImageConfig } from '../../oci/config.js'
import { parseConfig } from '../../oci/image-config.js'
import { formatPlatform, normalisePlatform, type Platform } from '../../oci/platform.js'
import { runsOn } from '../../oci/platform-choice.js'
import type { Reference } from '../../oci/reference.js'
import type { Registry } from '../../registry/registry.js'
import { fetchDocument, type ResolvedImage, resolveImage, resolveReference } from '../../registry/resolve.js'
import { enforcePolicy } from '../../registry/signature.js'
import type { ImageTarget } from '../../store/images.js'
import type { RegistryDeps } from './deps.js'
import { fetchLayer } from './fetch-layer.js'
import type { Transfers } from './transfers.js'

const MAX_CONFIG_BYTES = 8 << 20
/** More connections gain nothing on one line; layers are unpacked as they come, so few are held at once. */
const DOWNLOADS = Math.max(3, availableParallelism())

/** What is to be pulled. */
export interface WantedImage {
  /** Aliases resolved. */
  reference: Reference
  platform: Platform
  /** Whether the user named the platform: then an image for another one is no answer. */
  isAsked: boolean
}

/** An image of a registry, its configuration read, nothing of it in the store yet. */
export interface FoundRemote extends ResolvedImage {
  config: ImageConfig
  configBytes: Uint8Array
}

/**
 * Finds an image in its registry and reads what it is.
 *
 * @throws TsboxError as resolveReference and resolveImage, E_POLICY, E_CONFIG_INVALID
 */
export async function findRemote(registry: Registry, wanted: WantedImage, signal: AbortSignal): Promise<FoundRemote> {
  const { reference, platform } = wanted
  const name = reference.toString()
  const resolved = await resolveReference(registry.repositories(reference, 'pull'), reference, signal)
  const image = await resolveImage(resolved, platform, name, signal)
  const digests = [image.root.digest, image.manifest.digest]
  await enforcePolicy(registry.policy, image.sources[0]!, reference, digests, signal)
  const { config: descriptor, layers } = image.manifest.document
  const configBytes = await fetchDocument(image.sources, descriptor, MAX_CONFIG_BYTES, 'image config', signal)
  const config = parseConfig(configBytes)
  if (config.rootfs.diff_ids.length !== layers.length)
    throw new TsboxError(
      'E_MANIFEST_INVALID',
      `read manifest: it lists ${layers.length} layers, its configuration ${config.rootfs.diff_ids.length}: "${name}"`,
    )
  if (wanted.isAsked && !runsOn(config, platform)) throw otherPlatform(config, platform, name)
  return { ...image, config, configBytes }
}

/**
 * Brings an image into the store, its manifest last; nothing has a name by that.
 *
 * @throws TsboxError E_DIGEST_MISMATCH, E_DISK_FULL and those of registries; layers that came stay for the next attempt
 */
export async function bringImage(
  deps: Pick<RegistryDeps, 'store' | 'lease'>,
  image: FoundRemote,
  transfers: Transfers,
  signal: AbortSignal,
): Promise<ImageTarget> {
  const { store, lease } = deps
  const { document, bytes, digest, mediaType } = image.manifest
  lease.hold('manifest', digest)
  const unique = new Map(
    document.layers.map((blob, i) => {
      const diffID = image.config.rootfs.diff_ids[i]!
      return [`${blob.digest} ${diffID}`, { blob, diffID }]
    }),
  )
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const limit = limiter(DOWNLOADS)
  const fetching = [...unique.values()].map((layer) =>
    limit(async () => {
      both.throwIfAborted()
      await fetchLayer(deps, image.sources, layer, transfers, both)
    }).catch((err: unknown) => {
      // The first failure ends the others, which must have ended before anybody hears of it.
      if (!stop.signal.aborted) stop.abort(err)
      throw err
    }),
  )
  const settled = await Promise.allSettled(fetching)
  signal.throwIfAborted()
  if (settled.some((s) => s.status === 'rejected')) throw stop.signal.reason
  const config = store.blobs.put(image.configBytes, lease)
  store.blobs.put(bytes, lease)
  const from = image.sources[0]!.name
  for (const d of [document.config, ...document.layers]) store.origins.add(d.digest, from, lease)
  const index = image.root.digest === digest ? {} : { index: image.root.digest }
  return { manifest: { digest, size: bytes.length, mediaType }, config: config.digest, ...index }
}

/** The name under which the store keeps what a reference stood for: with a digest, no tag is the image's. */
export function storedName(reference: Reference): string {
  return reference.digest === undefined ? reference.toString() : `${reference.repository}@${reference.digest}`
}

function otherPlatform(image: Platform, wanted: Platform, name: string): TsboxError {
  const [is, asked] = [image, wanted].map((p) => formatPlatform(normalisePlatform(p)))
  return new TsboxError('E_NO_PLATFORM', `pull image: it is for "${is}", not for "${asked}": "${name}"`)
}
