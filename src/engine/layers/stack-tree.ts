import { concatBytes } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import type { FileTree, Layer } from '../../build/seams.js'
import type { Entry } from '../../layer/entry.js'
import { LayerTree, type Located } from '../../layer/layer-tree.js'
import { readContent } from '../../layer/tar-reader.js'
import type { Toc } from '../../layer/toc.js'
import type { IdMode } from '../../rootless/plan.js'
import type { BlobReader } from '../../store/blobs.js'
import { nodeSha256 } from '../../util/hash.js'
import { anySnapshot, missing } from './toc-source.js'
import type { Workshop } from './workshop.js'

/** A stack of layers as one tree. Metadata comes from tables of contents; contents from tars, or through the helper. */
export class StackTree implements FileTree {
  readonly #shop: Workshop
  readonly #layers: readonly Layer[]
  readonly #merged: LayerTree
  readonly #writeTar: (diffID: string) => Promise<void>

  /** @param writeTar makes the uncompressed tar of a layer of which there is only a compressed one */
  constructor(
    shop: Workshop,
    layers: readonly Layer[],
    tocs: readonly Toc[],
    writeTar: (diffID: string) => Promise<void>,
  ) {
    this.#shop = shop
    this.#layers = layers
    this.#writeTar = writeTar
    this.#merged = new LayerTree(tocs)
  }

  lstat(path: string): Entry | undefined {
    return this.#merged.lstat(path)
  }

  readdir(path: string): readonly string[] {
    return this.#merged.readdir(path)
  }

  async readFile(path: string): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    await this.#read(
      [path],
      () => {},
      (c) => chunks.push(c.slice()),
    )
    return concatBytes(chunks)
  }

  async *stream(path: string): AsyncIterable<Uint8Array> {
    const located = this.#locate(path)
    const blob = await this.#tar(located)
    if (!blob) {
      yield await this.readFile(path)
      return
    }
    try {
      for (const chunk of readContent(blob.readAt, located.entry.size, placeOf(located))) yield chunk.slice()
    } finally {
      blob.close()
    }
  }

  async readFiles(
    paths: readonly string[],
    onFile: (index: number) => void,
    onData: (chunk: Uint8Array) => void,
  ): Promise<string[]> {
    const hashes: string[] = []
    let hasher = nodeSha256()
    const finish = () => {
      hashes.push(hasher.hex())
      hasher = nodeSha256()
    }
    await this.#read(
      paths,
      (i) => {
        if (i > 0) finish()
        onFile(i)
      },
      (chunk) => {
        hasher.update(chunk)
        onData(chunk)
      },
    )
    if (paths.length) finish()
    return hashes
  }

  knownHashes(paths: readonly string[]): (string | undefined)[] {
    return paths.map(() => undefined)
  }

  /** Reads in order; neighbours that only the helper can read go to it together. */
  async #read(
    paths: readonly string[],
    onFile: (index: number) => void,
    onData: (chunk: Uint8Array) => void,
  ): Promise<void> {
    let through: { index: number; root: string; mode: IdMode; path: string }[] = []
    const flush = async () => {
      const batch = through
      through = []
      if (batch[0]) {
        const agent = await this.#shop.agentFor(batch[0].mode)
        await agent.read(batch, (i) => onFile(batch[i]!.index), onData)
      }
    }
    for (const [index, path] of paths.entries()) {
      const located = this.#locate(path)
      const blob = await this.#tar(located)
      if (!blob) {
        const place = await this.#onDisk(located)
        if (through[0] && through[0].mode !== place.mode) await flush()
        through.push({ index, ...place })
        continue
      }
      try {
        await flush()
        onFile(index)
        for (const chunk of readContent(blob.readAt, located.entry.size, placeOf(located))) onData(chunk)
      } finally {
        blob.close()
      }
    }
    await flush()
  }

  #locate(path: string): Located {
    const located = this.#merged.locate(path)
    if (located?.entry.type !== 'file') throw new TsboxError('E_NOT_A_FILE', `read file: not a file "/${path}"`)
    return located
  }

  /** The layer's uncompressed tar, where there is one or nothing else to read from. */
  async #tar(located: Located): Promise<BlobReader | undefined> {
    const { store } = this.#shop
    const layer = this.#layers[located.layerIndex]!
    if (located.offset < 0 || !layer.diffID) return undefined
    if (!store.blobs.has(layer.diffID)) {
      if (!store.layers.blob(layer.diffID) || (await anySnapshot(this.#shop, layer))) return undefined
      await this.#writeTar(layer.diffID)
    }
    return store.blobs.open(layer.diffID)
  }

  async #onDisk(located: Located): Promise<{ root: string; mode: IdMode; path: string }> {
    const layer = this.#layers[located.layerIndex]!
    const snapshot = await anySnapshot(this.#shop, layer)
    if (!snapshot) throw missing(layer)
    return { root: snapshot.dir, mode: snapshot.mode, path: located.contentPath }
  }
}

function placeOf(located: Located): { offset: number; sparse?: Located['sparse'] } {
  return located.sparse ? { offset: located.offset, sparse: located.sparse } : { offset: located.offset }
}
