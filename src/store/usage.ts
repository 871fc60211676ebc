import { statSync } from 'node:fs'
import { TsboxError } from '../base/error.js'
import { parseConfig } from '../oci/image-config.js'
import { namesIn } from '../util/names-in.js'
import { diskUsage } from '../util/remove-tree.js'
import type { LayerRef } from './cache.js'
import { livePins } from './lease.js'
import { packedUsage } from './packed-usage.js'
import type { Store } from './store.js'

/**
 * What a piece of the build cache is, in BuildKit's words: a step's result, a cache mount, checksums of a context's files,
 * and what only leads to results.
 */
export type UsageType = 'regular' | 'exec.cachemount' | 'source.local' | 'internal'

/** A piece of the build cache. */
export interface CacheUsage {
  id: string
  type: UsageType
  /** Bytes on disk, as far as this user may look. */
  sizeBytes: number
  description: string
  /** Milliseconds since 1970. */
  createdMs: number
  usedMs: number
  /** Whether it changes with use. */
  mutable: boolean
  /** A running build has it: it can't be removed now. */
  inUse: boolean
  /** An image or a container has the same files: to remove it frees nothing. */
  shared: boolean
}

/** All pieces of the build cache, the most lately used first. */
export function cacheUsage(store: Store): CacheUsage[] {
  const packed = packedUsage(store, pinnedLayers(store))
  const all = [...recordUsage(store), ...mountUsage(store), ...sumsUsage(store), ...packed]
  return all.sort((a, b) => b.usedMs - a.usedMs || (a.id < b.id ? -1 : 1))
}

function recordUsage(store: Store): CacheUsage[] {
  const sizes = new LayerSizes(store)
  const pinned = pinnedLayers(store)
  const elsewhere = imageLayers(store)
  const records = store.cache.list().filter((r) => r.record !== undefined)
  const named = new Set(
    records.flatMap((r) => (r.record!.title && r.record!.layer ? [sizes.identity(r.record!.layer)] : [])),
  )
  const counted = new Set<string>()
  // Steps come first: files count for the step that made them.
  const inOrder = [...records.filter((r) => r.record!.title), ...records.filter((r) => !r.record!.title)]
  return inOrder.map(({ id, record, usedMs, sizeBytes }) => {
    const { layer, created, title = '', origin } = record!
    const layerID = layer && sizes.identity(layer)
    const own = layerID !== undefined && !counted.has(layerID) ? sizes.of(layer!) : 0
    if (layerID !== undefined) counted.add(layerID)
    return {
      id,
      type: layerID !== undefined && (title || !named.has(layerID)) ? 'regular' : 'internal',
      sizeBytes: sizeBytes + own,
      description: [title, origin === undefined ? '' : `(imported from ${origin})`].filter(Boolean).join(' '),
      createdMs: created * 1000,
      usedMs,
      mutable: false,
      inUse: layerID !== undefined && isPinned(layer!, layerID, pinned),
      shared: layerID !== undefined && elsewhere.has(layerID),
    }
  })
}

function mountUsage(store: Store): CacheUsage[] {
  return store.mounts.list().map((m) => ({
    id: m.name,
    type: 'exec.cachemount',
    sizeBytes: diskUsage(m.dir),
    description: `cached mount ${m.about?.id ?? ''} (ids: ${m.idMode})`,
    createdMs: m.createdMs,
    usedMs: m.usedMs,
    mutable: true,
    inUse: m.inUse,
    shared: false,
  }))
}

function sumsUsage(store: Store): CacheUsage[] {
  return namesIn(store.place.path('sums')).flatMap((name) => {
    const stat = statSync(store.place.path('sums', name), { throwIfNoEntry: false })
    if (!stat) return []
    return {
      id: `sums-${name}`,
      type: 'source.local',
      sizeBytes: stat.blocks * 512,
      description: 'checksums of the files of a context',
      createdMs: stat.birthtimeMs || stat.ctimeMs,
      usedMs: stat.mtimeMs,
      mutable: true,
      inUse: false,
      shared: false,
    }
  })
}

/** Layers in all their forms. */
export class LayerSizes {
  readonly #store: Store
  readonly #sizes = new Map<string, number>()

  constructor(store: Store) {
    this.#store = store
  }

  /** One name for all forms of a layer, as far as they are known to be one. */
  identity({ diffID, snapshot, snapshotMode }: LayerRef): string {
    if (diffID !== undefined) return diffID
    const tar = snapshot && snapshotMode ? this.#store.snapshots.tar(snapshotMode, snapshot) : undefined
    return tar?.diffID ?? `${snapshotMode}/${snapshot}`
  }

  of(layer: LayerRef): number {
    const id = this.identity(layer)
    let size = this.#sizes.get(id)
    if (size === undefined) {
      size = this.#measure(layer, id.startsWith('sha256:') ? id : undefined)
      this.#sizes.set(id, size)
    }
    return size
  }

  #measure({ snapshot, snapshotMode }: LayerRef, diffID: string | undefined): number {
    const { snapshots, layers } = this.#store
    const dirs = new Set<string>()
    if (snapshot && snapshotMode) dirs.add(snapshots.dir(snapshotMode, snapshot))
    let total = 0
    if (diffID !== undefined) {
      total += layers.blob(diffID)?.sizeBytes ?? 0
      for (const mode of ['subid', 'single']) {
        const id = snapshots.byDiffID(mode, diffID)
        if (id !== undefined) dirs.add(snapshots.dir(mode, id))
      }
    }
    for (const dir of dirs) total += diskUsage(dir)
    return total
  }
}

/** Layers that live builds hold: diffIDs and `MODE/ID`. */
function pinnedLayers(store: Store): Set<string> {
  const pins = livePins(store.place).filter((p) => p.kind === 'layer' || p.kind === 'snapshot')
  return new Set(pins.map((p) => p.id))
}

function isPinned({ snapshot, snapshotMode }: LayerRef, id: string, pinned: ReadonlySet<string>): boolean {
  return pinned.has(id) || (snapshot !== undefined && pinned.has(`${snapshotMode}/${snapshot}`))
}

/** Layers of images and containers, which stay whatever becomes of the cache. */
function imageLayers(store: Store): Set<string> {
  const out = new Set<string>()
  for (const { config } of store.images.list()) {
    try {
      for (const id of parseConfig(store.blobs.read(config)).rootfs.diff_ids) out.add(id)
    } catch (err) {
      if (!(err instanceof TsboxError)) throw err
    }
  }
  for (const { layers = [] } of store.containers.list())
    for (const { diffID, snapshot, snapshotMode } of layers) out.add(diffID ?? `${snapshotMode}/${snapshot}`)
  return out
}
