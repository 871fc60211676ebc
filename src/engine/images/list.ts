import { TsboxError } from '../../base/error.js'
import { parseNamed, type Reference } from '../../oci/reference.js'
import type { ImageRecord } from '../../store/images.js'
import type { ImageSummary } from '../api.js'
import type { ImageDeps } from './deps.js'
import { imageSize } from './size.js'
import { readImage, type StoredImage } from './stored-image.js'

/** Newest first; equal ones by name. What can't be read (its blobs are damaged) is left out. */
export function listImages(deps: ImageDeps, name: string | undefined): ImageSummary[] {
  const wanted = name === undefined ? undefined : parseNamed(name)
  const out: ImageSummary[] = []
  for (const record of deps.store.images.list()) {
    const reference = record.name === undefined ? undefined : parseNamed(record.name)
    if (wanted && !matches(reference, wanted)) continue
    const image = readWhole(deps, record)
    if (image) out.push(summary(deps, image, reference))
  }
  return out.sort(newestFirst)
}

function matches(reference: Reference | undefined, wanted: Reference): boolean {
  return reference?.repository === wanted.repository && (wanted.tag === undefined || wanted.tag === reference.tag)
}

function readWhole(deps: ImageDeps, record: ImageRecord): StoredImage | undefined {
  try {
    return readImage(deps.store, undefined, record)
  } catch (err) {
    if (err instanceof TsboxError && /^E_(BLOB|MANIFEST|CONFIG)_/.test(err.code)) return undefined
    throw err
  }
}

function summary(deps: ImageDeps, image: StoredImage, reference: Reference | undefined): ImageSummary {
  return {
    ...(reference ? { repository: reference.familiarRepository, tag: reference.tag } : {}),
    id: image.configDigest,
    manifestDigest: image.manifestDigest,
    created: image.config.created,
    sizeBytes: imageSize(deps.store, image),
  }
}

function newestFirst(a: ImageSummary, b: ImageSummary): number {
  const time = Date.parse(b.created ?? '') - Date.parse(a.created ?? '')
  if (time) return time
  const name = (i: ImageSummary) => `${i.repository ?? '~'}:${i.tag ?? ''} ${i.id}`
  return name(a) < name(b) ? -1 : 1
}
