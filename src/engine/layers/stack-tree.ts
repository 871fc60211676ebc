import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { concatBytes } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import type { FileTree, Layer } from '../../build/seams.js'
import type { Entry } from '../../layer/entry.js'
import { LayerTree, type Located } from '../../layer/layer-tree.js'
import { readContent } from '../../layer/tar-reader.js'
import type { Toc } from '../../layer/toc.js'
import type { IdMode } from '../../rootless/plan.js'
import type { BlobReader } from '../../store/blobs.js'
import { contentSha256 } from '../../util/hash.js'
import { readChunks } from '../../util/read-chunks.js'
import { withStorageErrors } from '../../util/storage-error.js'
import { Turn } from '../../util/turn.js'
import { anySnapshot, missing } from './toc-source.js'
import type { Workshop } from './workshop.js'

/** Contents of files up to this size are held in memory whole. */
const SMALL_BYTES = 8 << 20

/** Gets layers into a form that can be read. */
export interface TarSupply {
  /** Fetches a layer that is not in the store, where it can be had. */
  bring(layer: Layer): Promise<void>
  /** Makes the uncompressed tar of a layer of which there is only a compressed one. */
  writeTar(diffID: string): Promise<void>
}

/** A stack of layers as one tree. Metadata comes from tables of contents; contents from tars, or through the helper. */
export class StackTree implements FileTree {
  readonly #shop: Workshop
  readonly #layers: readonly Layer[]
  readonly #merged: LayerTree
  readonly #supply: TarSupply

  constructor(shop: Workshop, layers: readonly Layer[], tocs: readonly Toc[], supply: TarSupply) {
    this.#shop = shop
    this.#layers = layers
    this.#supply = supply
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
      if (located.entry.size <= SMALL_BYTES) yield await this.readFile(path)
      else yield* this.#spooled(path)
      return
    }
    try {
      for (const chunk of readContent(blob.readAt, located.entry.size, placeOf(located))) yield chunk.slice()
    } finally {
      blob.close()
    }
  }

  /** The helper sends as fast as it reads: what may not fit into memory waits on disk for whoever takes it. */
  async *#spooled(path: string): AsyncIterable<Uint8Array> {
    const spool = this.#shop.lease.tempPath('content')
    try {
      const fd = openSync(spool, 'wx', 0o600)
      try {
        await this.#read(
          [path],
          () => {},
          (chunk) => writeSpool(fd, chunk, spool),
        )
      } finally {
        closeSync(fd)
      }
      for await (const chunk of readChunks(spool)) yield chunk
    } finally {
      rmSync(spool, { force: true })
    }
  }

  async readFiles(
    paths: readonly string[],
    onFile: (index: number) => void,
    onData: (chunk: Uint8Array) => void,
  ): Promise<string[]> {
    const hashes: string[] = []
    let hasher = contentSha256()
    const finish = () => {
      hashes.push(hasher.hex())
      hasher = contentSha256()
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
    const turn = new Turn()
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
        for (const chunk of readContent(blob.readAt, located.entry.size, placeOf(located))) {
          onData(chunk)
          if (turn.over) await turn.rest()
        }
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
    if (!store.blobs.has(layer.diffID)) await this.#supply.bring(layer)
    if (!store.blobs.has(layer.diffID)) {
      if (!store.layers.blob(layer.diffID) || (await anySnapshot(this.#shop, layer))) return undefined
      await this.#supply.writeTar(layer.diffID)
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

function writeSpool(fd: number, chunk: Uint8Array, path: string): void {
  withStorageErrors('read file', path, () => {
    for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at)
  })
}

function placeOf(located: Located): { offset: number; sparse?: Located['sparse'] } {
  return located.sparse ? { offset: located.offset, sparse: located.sparse } : { offset: located.offset }
}
