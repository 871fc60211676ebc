import { TsboxError } from '../../base/error.js'
import { canonicalJson } from '../../base/hash.js'
import type { FileTree, Layer, LayerService, LayerWriter } from '../../build/seams.js'
import { clampTimes } from '../../layer/clamp.js'
import type { Entry, EntrySink, EntrySource } from '../../layer/entry.js'
import { TarEncoder } from '../../layer/tar-encoder.js'
import { pipeEntries, readTar, readTarStream } from '../../layer/tar-reader.js'
import { recordToc, type Toc, TocBuilder } from '../../layer/toc.js'
import { decompress } from '../../store/decompress.js'
import { contentSha256, nodeSha256 } from '../../util/hash.js'
import { makeDir } from '../../util/make-dir.js'
import { readChunks } from '../../util/read-chunks.js'
import { isTar } from './archive-probe.js'
import type { LayerOrigin } from './origin.js'
import { StackTree } from './stack-tree.js'
import { anySnapshot, layerId, mayHaveSnapshot, missing, snapshotDir, TocSource } from './toc-source.js'
import { once, type Workshop } from './workshop.js'

/** Layers in the store, each form made from the other when it is needed. */
export class NodeLayers implements LayerService {
  readonly #shop: Workshop
  readonly #tocs: TocSource
  readonly #sealed = new Map<string, Promise<{ diffID: string; sizeBytes: number }>>()
  readonly #snapshots = new Map<string, Promise<string>>()
  /** Where layers that are not in the store can be had. */
  origin: LayerOrigin | undefined

  constructor(shop: Workshop) {
    this.#shop = shop
    this.#tocs = new TocSource(shop, () => this.origin)
  }

  async tree(layers: readonly Layer[]): Promise<FileTree> {
    for (const layer of layers) await this.#dropUntrusted(layer)
    const tocs = await Promise.all(layers.map((l) => this.#tocs.toc(l)))
    return new StackTree(this.#shop, layers, tocs, {
      bring: (layer) => this.bring(layer),
      writeTar: (diffID) => this.#writeTar(diffID),
    })
  }

  writer(): LayerWriter {
    return this.#shop.store.layers.writer(this.#shop.lease)
  }

  keep(layer: Layer): boolean {
    if (this.#shop.store.keepLayer(layer, this.#shop.lease)) return true
    return layer.diffID !== undefined && this.origin?.has(layer.diffID) === true
  }

  /** Fetches a layer that is only elsewhere; does nothing for any other. @throws TsboxError E_CACHE_INVALID, E_DISK_FULL */
  async bring({ diffID }: Layer): Promise<void> {
    if (!this.origin || diffID === undefined || this.#shop.store.hasLayer(diffID)) return
    if (this.origin.has(diffID)) await this.origin.fetch(diffID)
  }

  /** The layer's table of contents, without fetching the layer where that can be had alone. */
  toc(layer: Layer): Promise<Toc> {
    return this.#tocs.toc(layer)
  }

  async entries(layer: Layer): Promise<readonly Entry[]> {
    await this.#dropUntrusted(layer)
    return (await this.#tocs.toc(layer)).items.map((item) => item.entry)
  }

  async importArchive(content: AsyncIterable<Uint8Array>): Promise<{ layer: Layer; entries: Entry[] } | undefined> {
    const source = await isTar(content)
    if (!source) return undefined
    const writer = this.#shop.store.layers.writer(this.#shop.lease)
    try {
      const entries: Entry[] = []
      const entry = (e: Entry) => {
        entries.push(e)
        writer.entry(e)
      }
      await pipeEntries(readTarStream(source, { whiteouts: false }), { entry, data: (d) => writer.data(d) })
      return { layer: await writer.commit(), entries }
    } finally {
      writer.abort()
    }
  }

  /** A layer of one file. @param entry its size is that of the content */
  async importFile(entry: Entry, content: AsyncIterable<Uint8Array>): Promise<Layer> {
    const writer = this.#shop.store.layers.writer(this.#shop.lease)
    try {
      writer.entry(entry)
      for await (const chunk of content) writer.data(chunk)
      return await writer.commit()
    } finally {
      writer.abort()
    }
  }

  /** Host folder with the layer's files in this process's id mode, unpacking them where there is none. */
  snapshot(layer: Layer): Promise<string> {
    return once(this.#snapshots, layerId(layer), async () => {
      await this.#dropUntrusted(layer)
      await this.bring(layer)
      return (await snapshotDir(this.#shop, layer)) ?? this.#unpack(layer)
    })
  }

  seal(layer: Layer, epoch: number | undefined): Promise<{ diffID: string; sizeBytes: number }> {
    return once(this.#sealed, `${layerId(layer)} ${epoch ?? ''}`, async () => {
      const raw = await this.#sealRaw(layer)
      if (epoch === undefined) return raw
      const toc = await this.#tocs.toc({ diffID: raw.diffID })
      return toc.maxMtime <= epoch ? raw : this.#sealClamped(raw.diffID, epoch)
    })
  }

  /** The layer's uncompressed tar, in pieces that are only valid until the next one. */
  async *openTar(diffID: string): AsyncGenerator<Uint8Array> {
    const { store } = this.#shop
    await this.bring({ diffID })
    const blob = store.layers.blob(diffID)
    if (blob) {
      const chunks = readChunks(store.blobs.path(blob.digest))
      yield* blob.digest === diffID ? chunks : decompress(chunks)
      return
    }
    await this.#materialise(diffID)
    yield* readChunks(store.blobs.path(diffID))
  }

  /** Layers as plain tars with their tables of contents, for readers that are given paths. */
  tarFiles(layers: readonly Layer[]): Promise<{ tarPath: string; tocPath: string }[]> {
    const { store } = this.#shop
    return Promise.all(
      layers.map(async (layer) => {
        const { diffID } = await this.seal(layer, undefined)
        if (!store.blobs.has(diffID)) await this.#writeTar(diffID)
        return { tarPath: store.blobs.path(diffID), tocPath: store.layers.tocPath(diffID) }
      }),
    )
  }

  /** The uncompressed tar as a blob, from whatever form there is. */
  async #writeTar(diffID: string): Promise<void> {
    await this.bring({ diffID })
    if (this.#shop.store.blobs.has(diffID)) return
    const blob = this.#shop.store.layers.blob(diffID)
    if (!blob) return this.#materialise(diffID)
    const writer = this.#shop.store.blobs.writer(this.#shop.lease)
    try {
      for await (const chunk of decompress(readChunks(this.#shop.store.blobs.path(blob.digest)))) writer.write(chunk)
      writer.commit({ digest: diffID })
    } finally {
      writer.abort()
    }
  }

  /** Makes the tar of a layer that is only a snapshot. */
  async #materialise(diffID: string, layer: Layer = { diffID }): Promise<void> {
    const writer = this.#shop.store.layers.writer(this.#shop.lease)
    try {
      await this.#copyEntries(layer, writer)
      const made = (await writer.commit()).diffID
      if (made !== diffID)
        throw new TsboxError('E_LAYER_CHANGED', `read layer: its files are no longer those of "${diffID}"`, {
          hint: 'build the image again with --no-cache',
        })
    } finally {
      writer.abort()
    }
  }

  async #copyEntries(layer: Layer, sink: EntrySink): Promise<void> {
    const { store } = this.#shop
    await this.bring(layer)
    const blob = layer.diffID ? store.layers.blob(layer.diffID) : undefined
    if (blob) return pipeEntries(this.#blobEntries(blob.digest, layer.diffID!), sink)
    const snapshot = await anySnapshot(this.#shop, layer)
    if (!snapshot) throw missing(layer)
    await (await this.#shop.agentFor(snapshot.mode)).walk(snapshot.dir, { content: true }, sink)
  }

  #blobEntries(digest: string, diffID: string): EntrySource {
    const { store } = this.#shop
    if (digest !== diffID) return readTarStream(decompress(readChunks(store.blobs.path(digest))))
    const reader = store.blobs.open(digest)
    return (function* () {
      try {
        yield* readTar(reader.readAt)
      } finally {
        reader.close()
      }
    })()
  }

  /** Digest of the layer as it is; a snapshot's tar is hashed, not written. */
  async #sealRaw(layer: Layer): Promise<{ diffID: string; sizeBytes: number }> {
    const { store, lease } = this.#shop
    const tar = layer.snapshot && layer.snapshotMode && store.snapshots.tar(layer.snapshotMode, layer.snapshot)
    if (tar && tar.tarSize !== undefined) return { diffID: tar.diffID, sizeBytes: tar.tarSize }
    const known = layer.diffID ?? (tar ? tar.diffID : undefined)
    if (known !== undefined) {
      // Most often the head of a table of contents says it: layers of a cached build are never read whole.
      const elsewhere = store.hasLayer(known) ? undefined : this.origin?.tarSize(known)
      const sizeBytes =
        store.layers.tarSize(known) || elsewhere || (await this.#tocs.toc({ ...layer, diffID: known })).tarSize
      if (sizeBytes > 0) return { diffID: known, sizeBytes }
    }
    const hash = contentSha256()
    let sizeBytes = 0
    const encoder = new TarEncoder((chunk) => {
      hash.update(chunk)
      sizeBytes += chunk.length
    })
    const toc = new TocBuilder()
    await this.#copyEntries(layer, recordToc(encoder, toc))
    encoder.end()
    const diffID = `sha256:${hash.hex()}`
    store.layers.putToc(diffID, toc.finish(sizeBytes), lease)
    if (layer.snapshot && layer.snapshotMode)
      store.snapshots.setTar(layer.snapshotMode, layer.snapshot, { diffID, tarSize: sizeBytes }, lease)
    return { diffID, sizeBytes }
  }

  /** The same layer with no time after `epoch`; remembered, as it is a copy of its tar. */
  async #sealClamped(diffID: string, epoch: number): Promise<{ diffID: string; sizeBytes: number }> {
    const { store, lease } = this.#shop
    const key = nodeSha256()
      .update(canonicalJson({ clamped: diffID, epoch }))
      .hex()
    const known = store.cache.get(key)?.layer?.diffID
    if (known && store.keepLayer({ diffID: known }, lease)) {
      const size = store.layers.tarSize(known)
      if (size !== undefined) return { diffID: known, sizeBytes: size }
    }
    const writer = store.layers.writer(lease)
    try {
      await this.#copyEntries({ diffID }, clampTimes(writer, epoch))
      const made = writer.finish()
      store.cache.put(key, { key, layer: { diffID: made.diffID }, created: this.#shop.now() }, lease)
      return made
    } finally {
      writer.abort()
    }
  }

  async #unpack(layer: Layer): Promise<string> {
    const { store, lease } = this.#shop
    const diffID = await this.#ensureBlob(layer)
    const blob = store.layers.blob(diffID)!
    const mode = await this.#shop.mode()
    const draft = store.snapshots.allocate(mode, lease)
    const agent = await this.#shop.agent()
    const fs = `${draft.dir}/fs`
    try {
      makeDir(fs, 0o755)
      await agent.apply(fs, this.#blobEntries(blob.digest, diffID))
    } catch (err) {
      // Half of it may belong to mapped users, whose files only the helper can remove.
      await agent.remove([draft.dir]).catch(() => {})
      throw err
    }
    const id = store.snapshots.publish(draft, lease, { created: this.#shop.now(), diffID })
    return store.snapshots.fsDir(mode, id)
  }

  /** Makes a blob of a layer that is only a snapshot of another id mode. @returns its digest */
  async #ensureBlob(layer: Layer): Promise<string> {
    const { diffID } = layer
    if (diffID && this.#shop.store.layers.blob(diffID)) return diffID
    const sealed = await this.#sealRaw(layer)
    if (!this.#shop.store.layers.blob(sealed.diffID)) await this.#materialise(sealed.diffID, layer)
    return sealed.diffID
  }

  /** A snapshot that was written before the machine's last boot must still have its digest, or is not used. */
  async #dropUntrusted(layer: Layer): Promise<void> {
    const { store, lease } = this.#shop
    if (!mayHaveSnapshot(this.#shop, layer)) return
    const mode = await this.#shop.mode()
    const id =
      layer.snapshotMode === mode && layer.snapshot
        ? layer.snapshot
        : layer.diffID
          ? store.snapshots.byDiffID(mode, layer.diffID)
          : undefined
    if (id === undefined || store.snapshots.state(mode, id) !== 'verify') return
    const hash = contentSha256()
    const encoder = new TarEncoder((chunk) => hash.update(chunk))
    await (await this.#shop.agent()).walk(store.snapshots.fsDir(mode, id), { content: true }, encoder)
    encoder.end()
    if (`sha256:${hash.hex()}` === store.snapshots.meta(mode, id)?.diffID) store.snapshots.markVerified(mode, id, lease)
  }
}
