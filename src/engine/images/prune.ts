import { parseNamed } from '../../oci/reference.js'
import { collectGarbage } from '../../store/gc.js'
import type { ImagePruneRequest } from '../api.js'
import type { ImageDeps } from './deps.js'
import { listImages } from './list.js'

/**
 * Takes the names of images that no container uses: without `all` only images that have no name anyway.
 *
 * @returns names that went, as they are written
 * @throws TsboxError E_FILTER
 */
export function untagUnused(deps: ImageDeps, { all, filters }: ImagePruneRequest): string[] {
  const { dangling, ...rest } = filters
  const everything = all || dangling?.some((v) => v === 'false' || v === '0') === true
  const chosen = new Map<string, boolean>()
  for (const image of listImages(deps, undefined, rest)) {
    const name = image.repository === undefined ? undefined : `${image.repository}:${image.tag}`
    if (image.containers > 0 || (!everything && name !== undefined)) continue
    chosen.set(`${image.manifestDigest} ${name ?? ''}`, true)
  }
  return deps.store.images.list().flatMap((record) => {
    const name = record.name === undefined ? undefined : parseNamed(record.name).familiar
    if (!chosen.has(`${record.manifest.digest} ${name ?? ''}`) || !deps.store.images.remove(record)) return []
    return name === undefined ? [] : [name]
  })
}

/** Removes unused images, with all that nothing else needs. @throws TsboxError E_FILTER */
export async function pruneImages(
  deps: ImageDeps,
  request: ImagePruneRequest,
): Promise<{ deleted: string[]; reclaimedBytes: number }> {
  const untagged = untagUnused(deps, request).map((name) => `untagged: ${name}`)
  const { removeTrees } = deps
  const collected = await collectGarbage(deps.store, deps.lease, { dropCache: false, removeTrees })
  return {
    deleted: [...untagged, ...collected.deleted.map((digest) => `deleted: ${digest}`)],
    reclaimedBytes: collected.reclaimedBytes,
  }
}
