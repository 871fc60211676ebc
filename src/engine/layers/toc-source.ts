import { dirname } from 'node:path'
import { TsboxError } from '../../base/error.js'
import type { Layer } from '../../build/seams.js'
import { decodeToc, encodeToc, type Toc, TocBuilder } from '../../layer/toc.js'
import type { IdMode } from '../../rootless/plan.js'
import type { LayerOrigin } from './origin.js'
import { once, type Workshop } from './workshop.js'

/** Tables of contents of layers, from wherever they come cheapest. */
export class TocSource {
  readonly #shop: Workshop
  readonly #tocs = new Map<string, Promise<Toc>>()
  readonly #origin: () => LayerOrigin | undefined

  constructor(shop: Workshop, origin: () => LayerOrigin | undefined) {
    this.#shop = shop
    this.#origin = origin
  }

  /** @throws TsboxError E_LAYER_MISSING */
  toc(layer: Layer): Promise<Toc> {
    return once(this.#tocs, layerId(layer), () => this.#find(layer))
  }

  async #find(layer: Layer): Promise<Toc> {
    const { store, lease } = this.#shop
    const diffID = layer.diffID ?? knownDiffID(this.#shop, layer)
    if (diffID) {
      const toc = await store.layers.ensureToc(diffID, lease)
      if (toc) return toc
      const elsewhere = store.hasLayer(diffID) ? undefined : await this.#origin()?.toc(diffID)
      if (elsewhere) {
        // Only until the layer is here: then its own is asked for.
        this.#tocs.delete(layerId(layer))
        return elsewhere
      }
    }
    const snapshot = await anySnapshot(this.#shop, layer)
    if (!snapshot) throw missing(layer)
    return this.#listed(snapshot)
  }

  /** Lists a snapshot whose digest nobody has asked for yet, once. */
  async #listed({ dir, mode }: SnapshotPlace): Promise<Toc> {
    const { store, lease } = this.#shop
    const file = `${dirname(dir)}/toc`
    const known = store.place.read(file)
    if (known) return decodeToc(known)
    const builder = new TocBuilder()
    const agent = await this.#shop.agentFor(mode)
    await agent.walk(dir, { content: false }, { entry: (e) => builder.entry(e, undefined), data: () => {} })
    const toc = builder.finish(0)
    store.place.write(file, encodeToc(toc), lease.tempPath('toc'))
    return toc
  }
}

/** The digest that a snapshot was found to have. */
function knownDiffID(shop: Workshop, layer: Layer): string | undefined {
  if (!layer.snapshot || !layer.snapshotMode) return undefined
  return shop.store.snapshots.tar(layer.snapshotMode, layer.snapshot)?.diffID
}

/** Names a layer within one process. */
export function layerId(layer: Layer): string {
  return layer.diffID ?? `${layer.snapshotMode}/${layer.snapshot}`
}

/** The error for a layer of which no form is left. */
export function missing(layer: Layer): TsboxError {
  return new TsboxError('E_LAYER_MISSING', `open layer: it is no longer in the store "${layerId(layer)}"`, {
    hint: 'build or load the image again',
    exitCode: 125,
  })
}

/** Folder of the layer's snapshot in this process's id mode, if it has one that can be trusted now. */
export async function snapshotDir(shop: Workshop, layer: Layer): Promise<string | undefined> {
  return snapshotIn(shop, layer, await shop.mode())
}

/** A layer's files as they are on disk. */
export interface SnapshotPlace {
  dir: string
  /** The id mode that reads them right. */
  mode: IdMode
}

/** A snapshot of the layer that can be trusted now, of this process's id mode if there is one. */
export async function anySnapshot(shop: Workshop, layer: Layer): Promise<SnapshotPlace | undefined> {
  if (!mayHaveSnapshot(shop, layer)) return undefined
  const own = await shop.mode()
  for (const mode of [own, own === 'subid' ? 'single' : 'subid'] as const) {
    const dir = snapshotIn(shop, layer, mode)
    if (dir !== undefined) return { dir, mode }
  }
  return undefined
}

/**
 * False where the layer was never unpacked. Asked first, because to know this process's id mode may mean to start the
 * helper, which a build that only copies has no other need of.
 */
export function mayHaveSnapshot({ store }: Workshop, layer: Layer): boolean {
  const { diffID, snapshot } = layer
  if (snapshot !== undefined) return true
  return diffID !== undefined && (['subid', 'single'] as const).some((m) => store.snapshots.byDiffID(m, diffID))
}

function snapshotIn({ store }: Workshop, layer: Layer, mode: IdMode): string | undefined {
  const candidates = [
    layer.snapshotMode === mode ? layer.snapshot : undefined,
    layer.diffID ? store.snapshots.byDiffID(mode, layer.diffID) : undefined,
  ]
  for (const id of candidates) {
    if (id && store.snapshots.state(mode, id) === 'trusted') return store.snapshots.fsDir(mode, id)
  }
  return undefined
}
