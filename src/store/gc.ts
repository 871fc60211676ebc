import { statSync } from 'node:fs'
import { TsboxError } from '../base/error.js'
import type { ImageConfig } from '../oci/config.js'
import { type Digest, digestHex, isDigest, parseDigest } from '../oci/digest.js'
import { isIndex, parseManifest, parseObject } from '../oci/manifest.js'
import { isConfigType } from '../oci/media-type.js'
import { claimNow } from '../util/claim.js'
import { namesIn } from '../util/names-in.js'
import type { LayerRef } from './cache.js'
import { PACKED } from './layers.js'
import { deadTemps, GC_CLAIM, type Lease, liveLeases, livePins, removeEmptyDirs, sweepDeadLeases } from './lease.js'
import type { Store } from './store.js'
import { emptyTrash, type RemoveTrees } from './trash.js'

/** What goes beside what nothing refers to. */
export interface GcOptions {
  /** Build-cache records, cache mounts nobody uses, file checksums, what builds are compared with. */
  dropCache: boolean
  /** Names of cache mounts that go if nobody uses them. */
  dropMounts?: ReadonlySet<string> | undefined
  removeTrees?: RemoveTrees | undefined
}

/** What went. */
export interface GcResult {
  /** Digests of blobs. */
  deleted: Digest[]
  reclaimedBytes: number
  /** Trees that could not be deleted; the next collection tries again. */
  left: string[]
}

/**
 * Deletes what no image, container, build-cache record or live lease reaches.
 *
 * Marking and moving away happen without a pause under a claim, for which others wait; the deleting of what was moved
 * happens after it. Killed at any moment, it leaves a usable store and rubbish in `tmp/` that the next one finds.
 */
export async function collectGarbage(store: Store, lease: Lease, options: GcOptions): Promise<GcResult> {
  const trash: string[] = []
  const trashName = () => {
    const path = lease.tempPath('trash')
    trash.push(path)
    return path
  }
  const result: GcResult = { deleted: [], reclaimedBytes: 0, left: [] }
  const claimPath = store.place.path(...GC_CLAIM)
  store.place.prepare()
  const claim = claimNow(claimPath)
  try {
    sweepDeadLeases(store.place)
    trash.push(...deadTemps(store.place))
    sweep(store, options, trashName, result)
  } finally {
    claim.release()
  }
  const emptied = await emptyTrash(trash, options.removeTrees)
  result.reclaimedBytes += emptied.reclaimedBytes
  result.left = emptied.left
  tidy(store, lease)
  return result
}

function sweep(store: Store, options: GcOptions, trashName: () => string, result: GcResult): void {
  if (options.dropCache) {
    for (const { id, sizeBytes } of store.cache.list()) if (store.cache.remove(id)) result.reclaimedBytes += sizeBytes
    store.mounts.retireIdle(trashName)
    result.reclaimedBytes += store.sums.clear() + store.builds.clear()
    sweepFiles(store, ['diffids', PACKED], () => false, result)
  }
  if (options.dropMounts?.size) store.mounts.retireIdle(trashName, options.dropMounts)
  result.reclaimedBytes += store.downloads.sweep()
  const live = new Marker(store).run()
  for (const { mode, id } of store.snapshots.list())
    if (!live.snapshots.has(`${mode}/${id}`)) store.snapshots.retire(mode, id, trashName())
  sweepFiles(store, ['blobs', 'sha256'], (hex) => live.blobs.has(hex), result)
  sweepFiles(store, ['origins'], (file) => live.blobs.has(file.replace(/\.json$/, '')), result)
  sweepFiles(store, ['tocs'], (hex) => live.layers.has(hex), result)
  sweepFiles(store, ['diffids', 'blob'], (file) => live.layers.has(file.replace(/\.json$/, '')), result)
  sweepFiles(store, ['diffids', PACKED], (file) => live.layers.has(file.replace(/\.json$/, '')), result)
  for (const mode of namesIn(store.place.path('diffids')))
    if (mode !== 'blob' && mode !== PACKED) sweepFiles(store, ['diffids', mode], (hex) => live.layers.has(hex), result)
  for (const { id, record } of store.cache.list())
    if (!record || (record.layer && !live.hasLayer(record.layer))) store.cache.remove(id)
}

function sweepFiles(store: Store, dir: string[], keep: (name: string) => boolean, result: GcResult): void {
  for (const name of namesIn(store.place.path(...dir))) {
    if (keep(name)) continue
    const path = store.place.path(...dir, name)
    const size = (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512
    if (!store.place.unlink(path)) continue
    result.reclaimedBytes += size
    if (dir[0] === 'blobs' && isDigest(`sha256:${name}`)) result.deleted.push(parseDigest(`sha256:${name}`))
  }
}

/** Finds what can be reached. */
class Marker {
  /** Hex digits. */
  readonly blobs = new Set<string>()
  /** Hex digits of diffIDs. */
  readonly layers = new Set<string>()
  /** `MODE/ID`. */
  readonly snapshots = new Set<string>()
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Pins come first: a process that names an image and ends its lease while we read is seen by one or the other, in
   * this order only.
   */
  run(): this {
    for (const { kind, id } of livePins(this.#store.place)) {
      if (kind === 'manifest') this.#manifest(id)
      else if (kind === 'blob') this.blobs.add(digestHex(id))
      else if (kind === 'layer') this.#layer({ diffID: id })
      else this.snapshots.add(id)
    }
    for (const image of this.#store.images.list()) this.#manifest(image.manifest.digest)
    for (const container of this.#store.containers.list()) {
      if (container.manifest) this.#manifest(container.manifest)
      for (const layer of container.layers ?? []) this.#layer(layer)
    }
    for (const { record } of this.#store.cache.list())
      if (record?.layer && this.#usable(record.layer)) this.#layer(record.layer)
    this.#sealedSnapshots()
    return this
  }

  /** False for a snapshot that an earlier boot left unsealed: nobody may use it again. */
  #usable({ diffID, snapshot, snapshotMode }: LayerRef): boolean {
    if (diffID || !snapshot || !snapshotMode) return true
    return this.#store.snapshots.state(snapshotMode, snapshot) !== 'gone'
  }

  hasLayer(layer: LayerRef): boolean {
    const bySnapshot = layer.snapshot && this.#store.snapshots.exists(layer.snapshotMode ?? '', layer.snapshot)
    return Boolean(bySnapshot) || (layer.diffID !== undefined && this.#store.hasLayer(layer.diffID))
  }

  #layer(layer: LayerRef): void {
    if (layer.snapshot && layer.snapshotMode) {
      this.snapshots.add(`${layer.snapshotMode}/${layer.snapshot}`)
      // The same layer under its digest, where it has one by now.
      const diffID = this.#store.snapshots.meta(layer.snapshotMode, layer.snapshot)?.diffID
      if (diffID && diffID !== layer.diffID) this.#layer({ diffID })
    }
    if (!layer.diffID) return
    const hex = digestHex(layer.diffID)
    if (this.layers.has(hex)) return
    this.layers.add(hex)
    this.blobs.add(hex)
    const blob = this.#store.layers.blob(layer.diffID)
    if (blob) this.blobs.add(digestHex(blob.digest))
    for (const packed of Object.values(this.#store.layers.allPacked(layer.diffID)))
      this.blobs.add(digestHex(packed.digest))
  }

  /** A manifest, its config and layers; an index and its manifests. What is damaged holds on to nothing. */
  #manifest(digest: string): void {
    const hex = digestHex(digest)
    if (this.blobs.has(hex)) return
    this.blobs.add(hex)
    const manifest = this.#parse(digest, parseManifest)
    if (!manifest) return
    if (isIndex(manifest)) {
      for (const d of manifest.manifests) this.#manifest(d.digest)
      return
    }
    this.blobs.add(digestHex(manifest.config.digest))
    for (const layer of manifest.layers) this.blobs.add(digestHex(layer.digest))
    if (!isConfigType(manifest.config.mediaType)) return
    const config = this.#parse(manifest.config.digest, (b) => parseObject(b, 'image config') as Partial<ImageConfig>)
    for (const diffID of config?.rootfs?.diff_ids ?? []) this.#layer({ diffID })
  }

  #parse<T>(digest: string, parse: (bytes: Uint8Array) => T): T | undefined {
    try {
      return parse(this.#store.blobs.read(digest))
    } catch (err) {
      if (err instanceof TsboxError) return undefined
      throw err
    }
  }

  /** Of each layer that lives, the snapshot that its diffID leads to, in each mode. */
  #sealedSnapshots(): void {
    for (const hex of this.layers)
      for (const mode of ['subid', 'single']) {
        const id = this.#store.snapshots.byDiffID(mode, `sha256:${hex}`)
        if (id) this.snapshots.add(`${mode}/${id}`)
      }
  }
}

/** Folders that have become empty go, so that an emptied store is as small as a new one. */
function tidy(store: Store, lease: Lease): void {
  const path = (...parts: string[]) => store.place.path(...parts)
  // Another process may be about to publish a snapshot of the map that it has just checked.
  const alone = liveLeases(store.place).every((name) => name === lease.name)
  for (const mode of namesIn(path('snapshots'))) {
    if (alone && namesIn(path('snapshots', mode)).join() === 'map.json')
      store.place.unlink(path('snapshots', mode, 'map.json'))
    removeEmptyDirs([path('snapshots', mode)])
  }
  removeEmptyDirs(namesIn(path('diffids')).map((mode) => path('diffids', mode)))
  removeEmptyDirs([path('blobs', 'sha256')])
  const folders = [
    'blobs',
    'snapshots',
    'diffids',
    'tocs',
    'images',
    'cache',
    'builds',
    'mounts',
    'downloads',
    'origins',
    'containers',
    'sums',
    'tmp',
    'leases',
  ]
  removeEmptyDirs(folders.map((name) => path(name)))
}
