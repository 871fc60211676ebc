import { statSync } from 'node:fs'
import { TsboxError } from '../base/error.js'
import { isIndex, parseManifest } from '../oci/manifest.js'
import { namesIn } from '../util/names-in.js'
import { PACKED } from './layers.js'
import type { Store } from './store.js'
import type { CacheUsage } from './usage.js'

const PREFIX = 'packed-'

/**
 * Layers that were packed for outputs, as pieces of the build cache: the next export would pack them again.
 *
 * @param pinned layers that live builds hold
 */
export function packedUsage(store: Store, pinned: ReadonlySet<string>): CacheUsage[] {
  const names = namesIn(store.place.path('diffids', PACKED))
  const ofImages = names.length ? imageBlobs(store) : new Set<string>()
  return names.flatMap((name) => {
    const hex = name.replace(/\.json$/, '')
    const stat = statSync(store.place.path('diffids', PACKED, name), { throwIfNoEntry: false })
    if (!stat) return []
    const forms = Object.entries(store.layers.allPacked(`sha256:${hex}`))
    const own = forms.filter(([, blob]) => !ofImages.has(blob.digest))
    return {
      id: `${PREFIX}${hex}`,
      type: 'regular' as const,
      sizeBytes: own.reduce((bytes, [, blob]) => bytes + blob.sizeBytes, stat.blocks * 512),
      description: `layer packed for outputs (${forms.map(([form]) => form.split('-').slice(0, 2).join(' ')).join(', ')})`,
      createdMs: stat.birthtimeMs || stat.ctimeMs,
      usedMs: stat.mtimeMs,
      mutable: false,
      inUse: pinned.has(`sha256:${hex}`),
      shared: own.length === 0 && forms.length > 0,
    }
  })
}

/** Forgets the packed forms of a piece; a collection takes their files. @returns false for a piece of another kind */
export function removePacked(store: Store, id: string): boolean {
  if (!id.startsWith(PREFIX)) return false
  store.place.unlink(store.layers.packedRecordPath(`sha256:${id.slice(PREFIX.length)}`))
  return true
}

/** Digests of the layers that manifests of images name. */
function imageBlobs(store: Store): Set<string> {
  const out = new Set<string>()
  for (const { manifest } of store.images.list()) {
    try {
      const parsed = parseManifest(store.blobs.read(manifest.digest))
      if (!isIndex(parsed)) for (const { digest } of parsed.layers) out.add(digest)
    } catch (err) {
      if (!(err instanceof TsboxError)) throw err
    }
  }
  return out
}
