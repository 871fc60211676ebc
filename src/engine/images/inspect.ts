import type { HistoryEntry } from '../../oci/config.js'
import { formatTime, historyLines } from '../../oci/image-config.js'
import { parseNamed } from '../../oci/reference.js'
import type { ImageInspect } from '../api.js'
import type { ImageDeps } from './deps.js'
import { imageSize, layerSizes } from './size.js'
import { findImage, readImage } from './stored-image.js'

/** @throws TsboxError E_IMAGE_NOT_FOUND */
export function inspectImage(deps: ImageDeps, reference: string): ImageInspect {
  const image = readImage(deps.store, undefined, findImage(deps.store, reference))
  const { config } = image
  const records = deps.store.images.list().filter((r) => r.config === image.configDigest && r.name !== undefined)
  const names = records.map((r) => ({ name: parseNamed(r.name!), digest: r.index ?? r.manifest.digest }))
  const tagged = Math.max(0, ...records.map((r) => r.tagged))
  return {
    Id: image.configDigest,
    RepoTags: names.flatMap((n) => (n.name.tag === undefined ? [] : n.name.familiar)).sort(),
    RepoDigests: [...new Set(names.map((n) => `${n.name.familiarRepository}@${n.digest}`))].sort(),
    ...(config.created === undefined ? {} : { Created: config.created }),
    ...(config.author === undefined ? {} : { Author: config.author }),
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    Size: imageSize(deps.store, image),
    Config: config.config ?? {},
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    Metadata: tagged ? { LastTagTime: formatTime(tagged) } : {},
  }
}

/** Newest first; the top line has the image's id, the others docker's `<missing>`. @throws TsboxError E_IMAGE_NOT_FOUND */
export function imageHistory(deps: ImageDeps, reference: string): (HistoryEntry & { id: string; sizeBytes: number })[] {
  const image = readImage(deps.store, undefined, findImage(deps.store, reference))
  const sizes = layerSizes(deps.store, image)
  const sizeOf = new Map(image.config.rootfs.diff_ids.map((id, i) => [id, sizes[i] ?? 0]))
  const lines = historyLines(image.config).reverse()
  return lines.map(({ entry, diffID }, i) => ({
    ...entry,
    id: i === 0 ? image.configDigest : '<missing>',
    sizeBytes: diffID === undefined ? 0 : (sizeOf.get(diffID) ?? 0),
  }))
}
