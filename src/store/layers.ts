import { TsboxError } from '../base/error.js'
import type { Entry, EntrySink } from '../layer/entry.js'
import { TarEncoder } from '../layer/tar-encoder.js'
import { TarParser } from '../layer/tar-parser.js'
import { scanTar } from '../layer/tar-reader.js'
import { decodeToc, encodeToc, readTocHeader, recordToc, TOC_HEADER_BYTES, type Toc, TocBuilder } from '../layer/toc.js'
import { type DiffID, diffIDOfTar, digestHex } from '../oci/digest.js'
import { MEDIA } from '../oci/media-type.js'
import type { BlobStore, BlobWriter } from './blobs.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

/** Folder of the records of packed forms, beside those of id modes. */
export const PACKED = 'packed'

/** The blob that a layer is in. */
export interface LayerBlob {
  digest: string
  sizeBytes: number
  mediaType: string
}

/** What is known of a layer by its diffID: the table of contents, and the blob that holds it. */
export class LayerStore {
  readonly #place: Place
  readonly #blobs: BlobStore
  readonly #tocs = new Map<string, Toc>()

  constructor(place: Place, blobs: BlobStore) {
    this.#place = place
    this.#blobs = blobs
  }

  tocPath(diffID: string): string {
    return this.#place.path('tocs', digestHex(diffID))
  }

  blobRecordPath(diffID: string): string {
    return this.#place.path('diffids', 'blob', `${digestHex(diffID)}.json`)
  }

  /**
   * The table of contents; made from the layer's blob where there is one that is not compressed.
   *
   * @returns undefined where neither is there: {@link ensureToc} also reads compressed blobs
   */
  toc(diffID: string, lease: Lease): Toc | undefined {
    const known = this.#tocs.get(diffID) ?? this.#readToc(diffID)
    if (known) {
      this.#tocs.set(diffID, known)
      return known
    }
    if (!this.#blobs.has(diffID)) return undefined
    return this.putToc(diffID, this.#scanBlob(diffID), lease)
  }

  /** As {@link toc}, reading a compressed blob once where that is the only form. */
  async ensureToc(diffID: string, lease: Lease): Promise<Toc | undefined> {
    const toc = this.toc(diffID, lease)
    if (toc) return toc
    const blob = this.blob(diffID)
    if (!blob) return undefined
    // Loaded only here: unpacking brings modules that most commands never need, and start-up counts.
    const [{ decompress }, { readChunks }] = await Promise.all([
      import('./decompress.js'),
      import('../util/read-chunks.js'),
    ])
    const builder = new TocBuilder()
    const parser = new TarParser({ entry: (e, p) => builder.entry(e, p) })
    let size = 0
    for await (const chunk of decompress(readChunks(this.#blobs.path(blob.digest)))) {
      size += chunk.length
      parser.push(chunk)
    }
    parser.end()
    return this.putToc(diffID, builder.finish(size), lease)
  }

  /** Size of the uncompressed tar in bytes, where the table of contents is there. Reads only its beginning. */
  tarSize(diffID: string): number | undefined {
    const known = this.#tocs.get(diffID)
    if (known) return known.tarSize
    const head = this.#place.readHead(this.tocPath(diffID), TOC_HEADER_BYTES)
    return head && head.length === TOC_HEADER_BYTES ? readTocHeader(head).tarSize : undefined
  }

  /** Keeps a table of contents. */
  putToc(diffID: string, toc: Toc, lease: Lease): Toc {
    lease.hold('layer', diffID)
    this.#place.write(this.tocPath(diffID), encodeToc(toc), lease.tempPath('toc'))
    this.#tocs.set(diffID, toc)
    return toc
  }

  /** The blob that holds the layer, the uncompressed one first; undefined where only a snapshot (or nothing) does. */
  blob(diffID: string): LayerBlob | undefined {
    const sizeBytes = this.#blobs.size(diffID)
    if (sizeBytes !== undefined) return { digest: diffID, sizeBytes, mediaType: MEDIA.layer }
    const record = this.#place.readJson<LayerBlob>(this.blobRecordPath(diffID))
    return record && this.#blobs.has(record.digest, record.sizeBytes) ? record : undefined
  }

  /** Remembers that a (compressed) blob is that layer. */
  setBlob(diffID: string, blob: LayerBlob, lease: Lease): void {
    if (blob.digest === diffID) return
    lease.hold('layer', diffID)
    this.#place.write(this.blobRecordPath(diffID), JSON.stringify(blob), lease.tempPath('layer'))
  }

  packedRecordPath(diffID: string): string {
    return this.#place.path('diffids', PACKED, `${digestHex(diffID)}.json`)
  }

  /** The layer as it was packed for an export, by whatever `form` says of how. */
  packed(diffID: string, form: string): LayerBlob | undefined {
    return this.allPacked(diffID)[form]
  }

  /** All packed forms that are still there. */
  allPacked(diffID: string): Record<string, LayerBlob> {
    const known = this.#place.readJson<Record<string, LayerBlob>>(this.packedRecordPath(diffID)) ?? {}
    return Object.fromEntries(Object.entries(known).filter(([, b]) => this.#blobs.has(b.digest, b.sizeBytes)))
  }

  /** Remembers a packed form, which lives as long as the layer does or until the build cache is emptied. */
  setPacked(diffID: string, form: string, blob: LayerBlob, lease: Lease): void {
    lease.hold('layer', diffID)
    // Two processes may write at once: what the loser packed is packed again when it is wanted.
    const all = { ...this.allPacked(diffID), [form]: blob }
    this.#place.write(this.packedRecordPath(diffID), JSON.stringify(all), lease.tempPath('layer'))
  }

  /** Begins a layer that is written as a tar. */
  writer(lease: Lease): TarLayerWriter {
    return new TarLayerWriter(this, this.#blobs.writer(lease), lease)
  }

  #readToc(diffID: string): Toc | undefined {
    const bytes = this.#place.read(this.tocPath(diffID))
    if (!bytes) return undefined
    try {
      return decodeToc(bytes)
    } catch (err) {
      if (err instanceof TsboxError || err instanceof SyntaxError) return undefined
      throw err
    }
  }

  #scanBlob(diffID: string): Toc {
    const reader = this.#blobs.open(diffID)
    try {
      const builder = new TocBuilder()
      scanTar(reader.readAt, (e, p) => builder.entry(e, p))
      return builder.finish(this.#blobs.size(diffID) ?? 0)
    } finally {
      reader.close()
    }
  }
}

/** A layer being written as an uncompressed tar blob: hashed and listed on the way. */
export class TarLayerWriter implements EntrySink {
  readonly #layers: LayerStore
  readonly #blob: BlobWriter
  readonly #lease: Lease
  readonly #encoder: TarEncoder
  readonly #toc = new TocBuilder()
  readonly #sink: EntrySink

  constructor(layers: LayerStore, blob: BlobWriter, lease: Lease) {
    this.#layers = layers
    this.#blob = blob
    this.#lease = lease
    this.#encoder = new TarEncoder((chunk) => blob.write(chunk))
    this.#sink = recordToc(this.#encoder, this.#toc)
  }

  entry(entry: Entry): void {
    this.#sink.entry(entry)
  }

  data(chunk: Uint8Array): void {
    this.#sink.data(chunk)
  }

  /** Stores blob and table of contents, both pinned. */
  finish(sums?: readonly (string | undefined)[]): { diffID: DiffID; sizeBytes: number } {
    this.#encoder.end()
    const { digest, sizeBytes } = this.#blob.commit()
    const diffID = diffIDOfTar(digest)
    this.#layers.putToc(diffID, this.#toc.finish(sizeBytes, sums), this.#lease)
    return { diffID, sizeBytes }
  }

  /** As the builder's LayerWriter has it. */
  async commit(sums?: readonly (string | undefined)[]): Promise<{ diffID: DiffID }> {
    return { diffID: this.finish(sums).diffID }
  }

  /** Forgets what was written. Harmless after commit. */
  abort(): void {
    this.#blob.abort()
  }
}
