import { TsboxError } from '../base/error.js'
import type { Entry } from './entry.js'
import { decodePax } from './pax.js'
import { buildEntry, type TarMeta } from './tar-entry.js'
import { BLOCK, MAX_META_BYTES, padding } from './tar-format.js'
import { decodeHeader, decodeOldSparse, type SparseExtent, type TarHeader } from './tar-header.js'
import { expandSparse, parseSparseMap } from './tar-sparse.js'

/** Where a file's content is in the tar. */
export interface ContentPlace {
  /** Byte of the uncompressed tar. */
  offset: number
  /** Set for a sparse file: the extents that are stored, one behind the other from `offset`; the rest is zeros. */
  sparse?: readonly SparseExtent[] | undefined
}

/** Receives what is in a tar. */
export interface TarHandler {
  /** `place` is set for files. The content of the entry before is complete. */
  entry(entry: Entry, place: ContentPlace | undefined): void
  /** Content of the last file as EntrySink has it, holes included; absent where nobody needs contents. */
  data?: ((chunk: Uint8Array) => void) | undefined
}

/** How names are to be understood. */
export interface TarParserOptions {
  /** Read `.wh.` names as whiteouts (a layer), or as the files that they are (an ordinary archive). Default true. */
  whiteouts?: boolean | undefined
}

type State = 'header' | 'meta' | 'sparse-ext' | 'sparse-map' | 'data' | 'skip' | 'end'

/**
 * Tar → entries, fed with pieces of any size. Reads ustar, pax, GNU long names, sparse files (all four ways), old
 * v7 headers, extended attributes. Names and attributes keep their bytes, which is why this is not
 * tar-stream: that decodes pax values as UTF-8 and so destroys `security.capability`.
 *
 * Paths come out relative and clean; `..` is refused.
 */
export class TarParser {
  readonly #handler: TarHandler
  readonly #whiteouts: boolean
  #state: State = 'header'
  /** Bytes of the archive that were seen. */
  #position = 0
  #block = new Uint8Array(BLOCK)
  #blockUsed = 0
  /** Bytes of data, or of what is skipped, that are to come; `#pad` follows. */
  #remaining = 0
  #pad = 0
  #body: Uint8Array | undefined
  #bodyUsed = 0
  #metaFlag = ''
  #meta: TarMeta = {}
  #global: TarMeta = {}
  #header: TarHeader | undefined
  #extents: SparseExtent[] = []
  #realSize = 0
  #mapText = ''
  #hole: ((chunk: Uint8Array) => void) | undefined

  constructor(handler: TarHandler, options: TarParserOptions = {}) {
    this.#handler = handler
    this.#whiteouts = options.whiteouts ?? true
  }

  /** True once the end mark was read; what follows is ignored. */
  get ended(): boolean {
    return this.#state === 'end'
  }

  /**
   * Takes the next bytes.
   *
   * @throws TsboxError E_TAR_INVALID, E_TAR_UNSAFE_PATH, E_TAR_UNSUPPORTED; the parser can't go on then
   */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && this.#state !== 'end'; ) {
      const used = this.#step(chunk, at)
      at += used
      this.#position += used
      this.#advance()
    }
  }

  /** How many bytes the caller need not feed (it calls {@link skip} then): contents, where nobody takes data. */
  get skippable(): number {
    if (this.#state === 'skip') return this.#remaining
    return this.#state === 'data' && !this.#handler.data ? this.#remaining : 0
  }

  /** Passes over `count` ≤ {@link skippable} bytes. */
  skip(count: number): void {
    this.#remaining -= count
    this.#position += count
    this.#advance()
  }

  /** @throws TsboxError E_TAR_INVALID where the archive stops within an entry */
  end(): void {
    const border = this.#state === 'header' && this.#blockUsed === 0 && !this.#hasPending()
    if (this.#state !== 'end' && !border) this.truncated()
  }

  /** Tells the parser that bytes which it let the caller skip are not there. @throws TsboxError E_TAR_INVALID, always */
  truncated(): never {
    throw new TsboxError('E_TAR_INVALID', 'read tar: archive ends within an entry')
  }

  #hasPending(): boolean {
    return Object.keys(this.#meta).length > 0
  }

  /** Consumes some bytes from `chunk[at]`, in the current state. */
  #step(chunk: Uint8Array, at: number): number {
    const left = chunk.length - at
    switch (this.#state) {
      case 'header':
      case 'sparse-ext':
      case 'sparse-map':
        return this.#takeBlock(chunk, at)
      case 'meta': {
        const n = Math.min(left, this.#remaining)
        const keep = Math.min(n, this.#body!.length - this.#bodyUsed)
        this.#body!.set(chunk.subarray(at, at + keep), this.#bodyUsed)
        this.#bodyUsed += keep
        this.#remaining -= n
        return n
      }
      case 'data': {
        const n = Math.min(left, this.#remaining)
        // The padding is counted in #remaining but is no content.
        const content = Math.min(n, this.#remaining - this.#pad)
        if (content > 0) this.#data(chunk.subarray(at, at + content))
        this.#remaining -= n
        return n
      }
      default: {
        const n = Math.min(left, this.#remaining)
        this.#remaining -= n
        return n
      }
    }
  }

  #data(chunk: Uint8Array): void {
    if (this.#hole) this.#hole(chunk)
    else this.#handler.data?.(chunk)
  }

  #takeBlock(chunk: Uint8Array, at: number): number {
    const n = Math.min(chunk.length - at, BLOCK - this.#blockUsed)
    this.#block.set(chunk.subarray(at, at + n), this.#blockUsed)
    this.#blockUsed += n
    return n
  }

  /** Changes state where the current one has all it needs; states without bytes are passed through. */
  #advance(): void {
    for (;;) {
      const before = this.#state
      if (before === 'header' || before === 'sparse-ext' || before === 'sparse-map') {
        if (this.#blockUsed < BLOCK) return
        this.#blockUsed = 0
        if (before === 'header') this.#onHeader()
        else if (before === 'sparse-ext') this.#onSparseExtension()
        else this.#onSparseMap()
      } else if (before === 'end' || this.#remaining > 0) return
      else if (before === 'meta') this.#onMeta()
      else {
        this.#hole = undefined
        this.#state = 'header'
        return
      }
    }
  }

  #onHeader(): void {
    const header = decodeHeader(this.#block, 0)
    if (!header) {
      if (this.#hasPending()) throw new TsboxError('E_TAR_INVALID', 'read tar: archive ends after an extended header')
      this.#state = 'end'
      return
    }
    if ('xgLK'.includes(header.flag)) {
      this.#startMeta(header)
      return
    }
    this.#header = header
    this.#extents = []
    if (header.flag === 'S') {
      const { more, realSize } = decodeOldSparse(this.#block, 0, 'header', this.#extents)
      this.#realSize = realSize
      if (more) {
        this.#state = 'sparse-ext'
        return
      }
    }
    this.#startEntry()
  }

  #startMeta(header: TarHeader): void {
    if (header.size > MAX_META_BYTES || header.size < 0)
      throw new TsboxError('E_TAR_INVALID', `read tar: extended header of ${header.size} bytes is too big`)
    this.#metaFlag = header.flag
    this.#body = new Uint8Array(header.size)
    this.#bodyUsed = 0
    this.#remaining = header.size + padding(header.size)
    this.#state = 'meta'
  }

  #onMeta(): void {
    const body = this.#body!
    this.#body = undefined
    this.#state = 'header'
    if (this.#metaFlag === 'L' || this.#metaFlag === 'K') {
      const nul = body.indexOf(0)
      const name = nul < 0 ? body : body.subarray(0, nul)
      if (this.#metaFlag === 'L') this.#meta.gnuName = name
      else this.#meta.gnuLink = name
      return
    }
    const into = this.#metaFlag === 'g' ? this.#global : this.#meta
    const records = this.#metaFlag === 'g' ? { ...this.#global.pax } : { ...this.#meta.pax }
    const sparse: string[] = []
    decodePax(body, (key, value) => {
      records[key] = value
      // Format 0.0 repeats its keys in order, so it can't live in a map.
      if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes')
        sparse.push(String.fromCharCode(...value.subarray(0, 24)))
    })
    into.pax = records
    if (sparse.length) into.sparsePairs = sparse
  }

  #onSparseExtension(): void {
    if (decodeOldSparse(this.#block, 0, 'extension', this.#extents).more) return
    this.#startEntry()
  }

  #startEntry(): void {
    const header = this.#header!
    const built = buildEntry(header, this.#meta, this.#global, this.#whiteouts)
    this.#remaining = built.storedSize + padding(built.storedSize)
    this.#pad = padding(built.storedSize)
    this.#meta = {}
    if (!built.entry) {
      this.#state = 'skip'
      return
    }
    if (built.sparse === 'map-in-data') {
      this.#mapText = ''
      this.#sparseEntry = built.entry
      this.#state = 'sparse-map'
      return
    }
    const sparse = header.flag === 'S' ? this.#extents : built.sparse
    const entry = header.flag === 'S' ? { ...built.entry, size: this.#realSize } : built.entry
    this.#emit(entry, sparse)
  }

  #sparseEntry: Entry | undefined

  /** pax sparse 1.0: the map is in the first blocks of the content, as lines of decimals. */
  #onSparseMap(): void {
    this.#mapText += String.fromCharCode(...this.#block)
    this.#remaining -= BLOCK
    if (this.#mapText.length > MAX_META_BYTES || this.#remaining < 0)
      throw new TsboxError('E_TAR_INVALID', 'read tar: malformed sparse map')
    const extents = parseSparseMap(this.#mapText)
    if (extents) this.#emit(this.#sparseEntry!, extents)
  }

  #emit(entry: Entry, sparse: readonly SparseExtent[] | undefined): void {
    const isFile = entry.type === 'file'
    this.#state = isFile ? 'data' : 'skip'
    if (sparse) {
      const { feed, holes } = expandSparse(sparse, entry, this.#remaining - this.#pad, (c) => this.#handler.data?.(c))
      this.#handler.entry(entry, { offset: this.#here(), sparse })
      this.#hole = feed
      if (this.#handler.data) holes()
    } else this.#handler.entry(entry, isFile ? { offset: this.#here() } : undefined)
  }

  /** Content begins behind the block that was just completed (its bytes are counted when the step returns). */
  #here(): number {
    return this.#position
  }
}
