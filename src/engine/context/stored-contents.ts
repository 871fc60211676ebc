import { SUM_BYTES } from '../../layer/toc-sums.js'
import type { BlobReader } from '../../store/blobs.js'
import type { Lease } from '../../store/lease.js'
import type { Store } from '../../store/store.js'

/** Files in a layer lie one behind the other, as they are asked for: each read brings many. */
const WINDOW_BYTES = 1 << 20

/** Where a content is. */
interface Place {
  diffID: string
  /** Byte of the layer's tar. */
  offset: number
  size: number
}

/**
 * Contents of files in layers that the store has, by their SHA-256: copying them from a tar costs a fraction of opening
 * and hashing the files again.
 */
export class StoredContents {
  readonly #store: Store
  readonly #lease: Lease
  readonly #layers: readonly string[]
  #places: Map<string, Place> | undefined
  readonly #blobs = new Map<string, BlobReader>()
  #window: Uint8Array | undefined
  #windowBlob: BlobReader | undefined
  #windowAt = 0
  #windowUsed = 0

  /** @param layers diffIDs, the likeliest first; nothing is opened before something is asked for */
  constructor(store: Store, lease: Lease, layers: readonly string[]) {
    this.#store = store
    this.#lease = lease
    this.#layers = layers
  }

  /**
   * The content with that sum in pieces, each valid until the next one; undefined where no layer has it.
   *
   * @param hex SHA-256
   */
  read(hex: string, size: number): Iterable<Uint8Array> | undefined {
    if (this.#layers.length === 0) return undefined
    this.#places ??= this.#find()
    const place = this.#places.get(hex)
    return place?.size === size ? this.#pieces(place) : undefined
  }

  /** Closes what is open; asked again, it opens again. Nobody may be reading. */
  close(): void {
    for (const blob of this.#blobs.values()) blob.close()
    this.#blobs.clear()
    this.#window = undefined
    this.#windowBlob = undefined
  }

  #find(): Map<string, Place> {
    const places = new Map<string, Place>()
    for (const diffID of this.#layers.toReversed()) this.#add(places, diffID)
    return places
  }

  #add(places: Map<string, Place>, diffID: string): void {
    this.#lease.hold('layer', diffID)
    const toc = this.#store.blobs.has(diffID) ? this.#store.layers.toc(diffID, this.#lease) : undefined
    if (!toc?.sums || !this.#store.blobs.has(diffID, toc.tarSize)) return
    const sums = Buffer.from(toc.sums.buffer, toc.sums.byteOffset, toc.sums.byteLength).toString('hex')
    for (const [i, { entry, offset }] of toc.items.entries()) {
      if (offset < 0 || entry.type !== 'file') continue
      const at = i * SUM_BYTES * 2
      places.set(sums.slice(at, at + SUM_BYTES * 2), { diffID, offset, size: entry.size })
    }
  }

  *#pieces({ diffID, offset, size }: Place): Iterable<Uint8Array> {
    const blob = this.#open(diffID)
    for (let done = 0; done < size; ) {
      const piece = this.#at(blob, offset + done).subarray(0, size - done)
      if (piece.length === 0) throw new Error('a layer ends within a file')
      yield piece
      done += piece.length
    }
  }

  #open(diffID: string): BlobReader {
    let blob = this.#blobs.get(diffID)
    if (!blob) {
      blob = this.#store.blobs.open(diffID)
      this.#blobs.set(diffID, blob)
    }
    return blob
  }

  /** What the window has from that byte on, at least one byte but at the end of the blob. */
  #at(blob: BlobReader, position: number): Uint8Array {
    this.#window ??= new Uint8Array(WINDOW_BYTES)
    const inside = blob === this.#windowBlob && position >= this.#windowAt
    if (!inside || position >= this.#windowAt + this.#windowUsed) {
      this.#windowUsed = blob.readAt(this.#window, position)
      this.#windowAt = position
      this.#windowBlob = blob
    }
    return this.#window.subarray(position - this.#windowAt, this.#windowUsed)
  }
}
