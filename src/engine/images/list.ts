import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import { platformOf } from '../../oci/image-config.js'
import { formatPlatform } from '../../oci/platform.js'
import { parseNamed, type Reference } from '../../oci/reference.js'
import type { ImageRecord } from '../../store/images.js'
import type { ImageSummary } from '../api.js'
import type { ImageDeps } from './deps.js'
import { imageFilter } from './filter.js'
import { imageSize } from './size.js'
import { findImage, readImage, type StoredImage } from './stored-image.js'

/**
 * Newest first; equal ones by name. What can't be read (its blobs are damaged) is left out.
 *
 * @param filters docker's
 * @throws TsboxError E_FILTER, E_REFERENCE_INVALID
 */
export function listImages(
  deps: ImageDeps,
  name: string | undefined,
  filters: Readonly<Record<string, readonly string[]>> = {},
): ImageSummary[] {
  const wanted = name === undefined ? undefined : parseNamed(name)
  const users = usersOf(deps)
  const accepts = imageFilter(filters, (text) => summarise(deps, findImage(deps.store, text), users))
  const out: ImageSummary[] = []
  for (const record of deps.store.images.list()) {
    if (wanted && !matches(referenceOf(record), wanted)) continue
    const image = readWhole(deps, record, users)
    if (image && accepts(image)) out.push(image)
  }
  return out.sort(newestFirst)
}

/** Manifest digest → how many containers use it. */
function usersOf({ store }: ImageDeps): ReadonlyMap<string, number> {
  const users = new Map<string, number>()
  for (const { manifest } of store.containers.list<ContainerRecord>())
    users.set(manifest, (users.get(manifest) ?? 0) + 1)
  return users
}

function referenceOf(record: ImageRecord): Reference | undefined {
  return record.name === undefined ? undefined : parseNamed(record.name)
}

function matches(reference: Reference | undefined, wanted: Reference): boolean {
  return reference?.repository === wanted.repository && (wanted.tag === undefined || wanted.tag === reference.tag)
}

function readWhole(deps: ImageDeps, record: ImageRecord, users: ReadonlyMap<string, number>): ImageSummary | undefined {
  try {
    return summarise(deps, record, users)
  } catch (err) {
    if (err instanceof TsboxError && /^E_(BLOB|MANIFEST|CONFIG)_/.test(err.code)) return undefined
    throw err
  }
}

function summarise(deps: ImageDeps, record: ImageRecord, users: ReadonlyMap<string, number>): ImageSummary {
  const image: StoredImage = readImage(deps.store, undefined, record)
  const reference = referenceOf(record)
  const { config, manifest } = image
  return {
    ...(reference ? { repository: reference.familiarRepository, tag: reference.tag } : {}),
    id: image.configDigest,
    manifestDigest: image.manifestDigest,
    created: config.created,
    sizeBytes: imageSize(deps.store, image),
    labels: config.config?.Labels ?? {},
    platform: formatPlatform(platformOf(config)),
    contentBytes: [manifest.config, ...manifest.layers].reduce((sum, d) => sum + d.size, record.manifest.size),
    containers: users.get(image.manifestDigest) ?? 0,
  }
}

function newestFirst(a: ImageSummary, b: ImageSummary): number {
  const time = Date.parse(b.created ?? '') - Date.parse(a.created ?? '')
  if (time) return time
  const name = (i: ImageSummary) => `${i.repository ?? '~'}:${i.tag ?? ''} ${i.id}`
  return name(a) < name(b) ? -1 : 1
}
