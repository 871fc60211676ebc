import type { Entry } from '../../layer/entry.js'
import { LayerTree } from '../../layer/layer-tree.js'
import type { Toc } from '../../layer/toc.js'
import { historyLines } from '../../oci/image-config.js'
import type { ExploredImage, ExploredLayer, LayerChange } from '../api.js'
import { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { openImage } from './stored-image.js'

/** What each layer of an image does, from tables of contents alone. @throws TsboxError E_IMAGE_NOT_FOUND, E_LAYER_MISSING */
export async function exploreImage(shop: Workshop, reference: string): Promise<ExploredImage> {
  const image = openImage(shop.store, shop.lease, reference)
  const source = new NodeLayers(shop)
  const tocs = await Promise.all(image.layers.map((layer) => source.toc(layer)))
  const createdBy = historyLines(image.config)
    .filter((line) => line.diffID !== undefined)
    .map((line) => line.entry.created_by ?? '')
  const waste = new Waste()
  const layers = tocs.map((toc, i): ExploredLayer => {
    const changes = changesOf(toc, new LayerTree(tocs.slice(0, i)))
    for (const change of changes) waste.add(change)
    const sizeBytes = toc.items.reduce((sum, { entry }) => sum + entry.size, 0)
    return { diffID: image.config.rootfs.diff_ids[i]!, createdBy: createdBy[i] ?? '', sizeBytes, changes }
  })
  return {
    id: image.configDigest,
    layers,
    wastedBytes: waste.bytes,
    totalBytes: layers.reduce((sum, l) => sum + l.sizeBytes, 0),
    waste: waste.list(),
  }
}

function changesOf(toc: Toc, below: LayerTree): LayerChange[] {
  const changes: LayerChange[] = []
  const brought = new Set(toc.items.filter((i) => !isRemoval(i.entry)).map((i) => i.entry.path))
  for (const { entry } of toc.items) {
    if (entry.type === 'whiteout') removed(entry.path, below, changes)
    else if (entry.type === 'opaque') {
      for (const name of below.readdir(entry.path)) {
        const path = entry.path === '' ? name : `${entry.path}/${name}`
        if (!brought.has(path)) removed(path, below, changes)
      }
    } else if (entry.path !== '') changes.push(changeOf(entry, below.lstat(entry.path) ? 'changed' : 'added'))
  }
  return changes
}

function isRemoval({ type }: Entry): boolean {
  return type === 'whiteout' || type === 'opaque'
}

/** A path and all below it, as they were. */
function removed(path: string, below: LayerTree, changes: LayerChange[]): void {
  const entry = below.lstat(path)
  if (!entry) return
  changes.push(changeOf(entry, 'removed'))
  for (const name of below.readdir(path)) removed(`${path}/${name}`, below, changes)
}

function changeOf({ path, type, mode, uid, gid, size, link }: Entry, kind: LayerChange['kind']): LayerChange {
  return { path, kind, type, mode, uid, gid, size, ...(link === undefined ? {} : { link }) }
}

/** Counts content that later layers hide. */
class Waste {
  bytes = 0
  readonly #sizes = new Map<string, number>()
  readonly #paths = new Map<string, { count: number; bytes: number }>()

  add({ path, kind, type, size }: LayerChange): void {
    const before = this.#sizes.get(path) ?? 0
    if (kind !== 'added' && before > 0) {
      const known = this.#paths.get(path) ?? { count: 1, bytes: 0 }
      this.#paths.set(path, { count: known.count + (kind === 'changed' ? 1 : 0), bytes: known.bytes + before })
      this.bytes += before
    }
    this.#sizes.set(path, kind === 'removed' || type !== 'file' ? 0 : size)
  }

  list(): ExploredImage['waste'] {
    return [...this.#paths]
      .map(([path, rest]) => ({ path, ...rest }))
      .sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1))
  }
}
