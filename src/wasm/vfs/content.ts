import { VfsError } from './error.js'

/** Bytes of one piece; the first piece of a file grows up to it, so that small files stay small. */
const PIECE = 1 << 16
/** The largest file: what a guest truncates to must be written into a layer, zeros included. */
const MAX_FILE = 16 * 2 ** 30

/** Memory that all files of one file system may hold together. */
export interface Budget {
  leftBytes: number
}

/** Where the unchanged pieces of a file come from. */
export interface ContentSource {
  sizeBytes: number
  /** As {@link import('./lower.js').LowerDir.pread} of this file. */
  pread(offset: number, length: number): Uint8Array
}

/**
 * Content of a file: pieces that were written, above a source that was not copied. Holes hold no memory. Offsets and
 * sizes are bytes.
 */
export class FileContent {
  #size: number
  readonly #source: ContentSource | undefined
  /** Bytes of the source that still shine through; shrinks with truncation and never grows again. */
  #visible: number
  readonly #pieces = new Map<number, Uint8Array>()
  readonly #budget: Budget

  constructor(budget: Budget, source?: ContentSource) {
    this.#budget = budget
    this.#source = source
    this.#size = source?.sizeBytes ?? 0
    this.#visible = this.#size
  }

  get sizeBytes(): number {
    return this.#size
  }

  /** Fills `into` from `offset`; returns how much there was. */
  read(into: Uint8Array, offset: number): number {
    const length = Math.max(0, Math.min(into.length, this.#size - offset))
    for (let done = 0; done < length; ) {
      const index = Math.floor((offset + done) / PIECE)
      const start = offset + done - index * PIECE
      const part = into.subarray(done, Math.min(length, done + PIECE - start))
      this.#readPiece(index, start, part)
      done += part.length
    }
    return length
  }

  #readPiece(index: number, start: number, into: Uint8Array): void {
    const part = this.#pieces.get(index)?.subarray(start, start + into.length)
    if (part) {
      into.set(part)
      into.fill(0, part.length)
    } else this.#readSource(index * PIECE + start, into)
  }

  #readSource(offset: number, into: Uint8Array): void {
    const length = Math.max(0, Math.min(into.length, this.#visible - offset))
    let done = 0
    while (done < length) {
      const got = this.#source!.pread(offset + done, length - done)
      if (got.length === 0) throw new VfsError('EIO')
      into.set(got, done)
      done += got.length
    }
    into.fill(0, done)
  }

  /** Writes all of `data`, which may be reused afterwards; a gap before `offset` reads as zeros. @throws VfsError EFBIG, ENOSPC */
  write(data: Uint8Array, offset: number): void {
    const end = offset + data.length
    if (end > MAX_FILE) throw new VfsError('EFBIG')
    for (let done = 0; done < data.length; ) {
      const index = Math.floor((offset + done) / PIECE)
      const start = offset + done - index * PIECE
      const part = data.subarray(done, done + PIECE - start)
      this.#piece(index, start + part.length).set(part, start)
      done += part.length
    }
    if (end > this.#size) this.#size = end
  }

  /** The piece, owned and at least `need` bytes long. */
  #piece(index: number, need: number): Uint8Array {
    const old = this.#pieces.get(index)
    if (old && old.length >= need) return old
    const inSource = Math.max(0, Math.min(PIECE, this.#visible - index * PIECE))
    const wanted = Math.max(need, old?.length ?? inSource)
    const size = index > 0 ? PIECE : Math.min(PIECE, Math.max(64, 2 ** Math.ceil(Math.log2(wanted))))
    this.#take(size - (old?.length ?? 0))
    const piece = new Uint8Array(size)
    if (old) piece.set(old)
    else this.#readSource(index * PIECE, piece.subarray(0, inSource))
    this.#pieces.set(index, piece)
    return piece
  }

  #take(bytes: number): void {
    if (bytes > this.#budget.leftBytes) throw new VfsError('ENOSPC')
    this.#budget.leftBytes -= bytes
  }

  /** Cuts, or extends with zeros. @throws VfsError EFBIG */
  truncate(size: number): void {
    if (size > MAX_FILE) throw new VfsError('EFBIG')
    if (size < this.#size) {
      this.#visible = Math.min(this.#visible, size)
      for (const [index, piece] of this.#pieces) {
        const keep = size - index * PIECE
        if (keep >= piece.length) continue
        if (keep > 0) piece.fill(0, keep)
        else {
          this.#pieces.delete(index)
          this.#budget.leftBytes += piece.length
        }
      }
    }
    this.#size = size
  }

  /** Gives the memory back; for a file that has no name and no descriptor any more. */
  free(): void {
    this.truncate(0)
  }

  /** The content in order, in arrays of their own that the caller may keep or transfer. */
  *chunks(): Generator<Uint8Array> {
    for (let offset = 0; offset < this.#size; offset += PIECE * 16) {
      const chunk = new Uint8Array(Math.min(PIECE * 16, this.#size - offset))
      this.read(chunk, offset)
      yield chunk
    }
  }
}
