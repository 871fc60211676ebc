import { decodeName, encodeName } from '../base/bytes.js'
import { TsboxError } from '../base/error.js'
import type { Entry, EntrySink, EntryType, Xattr } from './entry.js'
import type { TarEncoder } from './tar-encoder.js'
import type { SparseExtent } from './tar-header.js'
import type { ContentPlace, TarHandler } from './tar-parser.js'
import { packSums, SUM_BYTES } from './toc-sums.js'

/** An entry of a layer and where its content is in the uncompressed tar. */
export interface TocItem {
  entry: Entry
  /** Byte of the uncompressed tar; -1 where there is no content. */
  offset: number
  /** Stored extents of a sparse file. */
  sparse?: readonly SparseExtent[] | undefined
}

/** Table of contents of one layer, in the order of its tar. */
export interface Toc {
  items: readonly TocItem[]
  /** Bytes of the uncompressed tar. */
  tarSize: number
  /** Latest mtime in the layer, seconds; 0 for an empty one. Up to it, clamping changes nothing. */
  maxMtime: number
  /** SHA-256 of each item's content, {@link SUM_BYTES} a row, zeros where there is none; absent where nobody knew them. */
  sums?: Uint8Array | undefined
}

/** Collects a table of contents beside something else; {@link TocBuilder.entry} is a TarHandler's. */
export class TocBuilder implements TarHandler {
  readonly #items: TocItem[] = []
  #maxMtime = Number.NEGATIVE_INFINITY

  entry(entry: Entry, place: ContentPlace | undefined): void {
    if (entry.mtime > this.#maxMtime) this.#maxMtime = entry.mtime
    const item: TocItem = { entry, offset: place?.offset ?? -1 }
    if (place?.sparse) item.sparse = place.sparse
    this.#items.push(item)
  }

  /** @param sums hex SHA-256 of contents by number of the item */
  finish(tarSize: number, sums?: readonly (string | undefined)[]): Toc {
    const toc: Toc = { items: this.#items, tarSize, maxMtime: this.#items.length ? this.#maxMtime : 0 }
    if (sums) toc.sums = packSums(this.#items.length, sums)
    return toc
  }
}

/** A sink that encodes and lists at once. */
export function recordToc(encoder: TarEncoder, builder: TocBuilder): EntrySink {
  return {
    entry(e) {
      encoder.entry(e)
      builder.entry(e, e.type === 'file' ? { offset: encoder.position } : undefined)
    },
    data: (chunk) => encoder.data(chunk),
  }
}

const MAGIC = 0x31434f54 // "TOC1"
/** With a column of sums at the end. */
const MAGIC_SUMS = 0x32434f54 // "TOC2"
/** Bytes that {@link readTocHeader} reads. */
export const TOC_HEADER_BYTES = 32
const TYPES: readonly EntryType[] = [
  'file',
  'dir',
  'symlink',
  'hardlink',
  'char',
  'block',
  'fifo',
  'whiteout',
  'opaque',
]
/** Rare fields, as JSON behind the columns. */
interface Extra {
  major?: number
  minor?: number
  xattrs?: [string, string][]
  sparse?: readonly SparseExtent[]
}

/*
 * Columns instead of records: 50,000 entries load in a few typed-array reads and one text decoding.
 * header: magic, count, tarSize f64, maxMtime f64, names bytes u32, extras bytes u32
 * f64 columns mtime, size, offset; u32 columns uid, gid; u16 mode; u8 type; names (path NUL link NUL …); extras; sums.
 */

/** Compact form; the inverse of {@link decodeToc}. */
export function encodeToc(toc: Toc): Uint8Array {
  const n = toc.items.length
  const names = encodeNames(toc.items)
  const extras = new TextEncoder().encode(JSON.stringify(extrasOf(toc.items)))
  const columns = TOC_HEADER_BYTES + n * COLUMN_BYTES
  const out = new Uint8Array(columns + names.length + extras.length + (toc.sums?.length ?? 0))
  const head = new DataView(out.buffer)
  head.setUint32(0, toc.sums ? MAGIC_SUMS : MAGIC, true)
  head.setUint32(4, n, true)
  head.setFloat64(8, toc.tarSize, true)
  head.setFloat64(16, toc.maxMtime, true)
  head.setUint32(24, names.length, true)
  head.setUint32(28, extras.length, true)
  const c = columnsOf(out, n)
  toc.items.forEach(({ entry: e, offset }, i) => {
    c.mtime[i] = e.mtime
    c.size[i] = e.size
    c.offset[i] = offset
    c.uid[i] = e.uid
    c.gid[i] = e.gid
    c.mode[i] = e.mode
    c.type[i] = TYPES.indexOf(e.type)
  })
  out.set(names, columns)
  out.set(extras, columns + names.length)
  if (toc.sums) out.set(toc.sums, columns + names.length + extras.length)
  return out
}

/** @throws TsboxError E_TOC_INVALID for what is no whole table: a crash of the machine may have cut it */
export function decodeToc(bytes: Uint8Array): Toc {
  const { count, tarSize, maxMtime, namesBytes, extrasBytes, sumsBytes } = readTocHeader(bytes)
  const columns = TOC_HEADER_BYTES + count * COLUMN_BYTES
  const sumsAt = columns + namesBytes + extrasBytes
  if (bytes.length !== sumsAt + sumsBytes) throw invalid()
  // Typed arrays need aligned memory; pooled buffers may not be.
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  const c = columnsOf(aligned, count)
  const names = decodeNames(aligned.subarray(columns, columns + namesBytes))
  if (names.length !== count * 2 + 1) throw invalid()
  const items: TocItem[] = new Array(count)
  for (let i = 0; i < count; i++) {
    const entry: Entry = {
      path: names[2 * i]!,
      type: TYPES[c.type[i]!]!,
      mode: c.mode[i]!,
      uid: c.uid[i]!,
      gid: c.gid[i]!,
      mtime: c.mtime[i]!,
      size: c.size[i]!,
    }
    const link = names[2 * i + 1]!
    if (link !== '') entry.link = link
    items[i] = { entry, offset: c.offset[i]! }
  }
  addExtras(items, JSON.parse(new TextDecoder().decode(aligned.subarray(columns + namesBytes, sumsAt))))
  return { items, tarSize, maxMtime, ...(sumsBytes > 0 ? { sums: aligned.subarray(sumsAt) } : {}) }
}

/**
 * Reads only the header.
 *
 * @param bytes at least the first TOC_HEADER_BYTES
 * @throws TsboxError E_TOC_INVALID
 */
export function readTocHeader(bytes: Uint8Array): {
  count: number
  tarSize: number
  maxMtime: number
  namesBytes: number
  extrasBytes: number
  sumsBytes: number
} {
  if (bytes.length < TOC_HEADER_BYTES) throw invalid()
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const magic = v.getUint32(0, true)
  if (magic !== MAGIC && magic !== MAGIC_SUMS) throw invalid()
  const count = v.getUint32(4, true)
  return {
    count,
    tarSize: v.getFloat64(8, true),
    maxMtime: v.getFloat64(16, true),
    namesBytes: v.getUint32(24, true),
    extrasBytes: v.getUint32(28, true),
    sumsBytes: magic === MAGIC_SUMS ? count * SUM_BYTES : 0,
  }
}

const COLUMN_BYTES = 3 * 8 + 2 * 4 + 2 + 1

function columnsOf(bytes: Uint8Array, n: number) {
  const { buffer } = bytes
  const at = bytes.byteOffset + TOC_HEADER_BYTES
  return {
    mtime: new Float64Array(buffer as ArrayBuffer, at, n),
    size: new Float64Array(buffer as ArrayBuffer, at + 8 * n, n),
    offset: new Float64Array(buffer as ArrayBuffer, at + 16 * n, n),
    uid: new Uint32Array(buffer as ArrayBuffer, at + 24 * n, n),
    gid: new Uint32Array(buffer as ArrayBuffer, at + 28 * n, n),
    mode: new Uint16Array(buffer as ArrayBuffer, at + 32 * n, n),
    type: new Uint8Array(buffer as ArrayBuffer, at + 34 * n, n),
  }
}

function encodeNames(items: readonly TocItem[]): Uint8Array {
  const parts: string[] = []
  for (const { entry } of items) parts.push(entry.path, entry.link ?? '')
  parts.push('')
  return encodeName(parts.join('\0'))
}

function decodeNames(bytes: Uint8Array): string[] {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).split('\0')
  } catch {}
  // Some name is not UTF-8: one by one, so that only that one is slow.
  const out: string[] = []
  let from = 0
  for (let i = 0; i <= bytes.length; i++) {
    if (i < bytes.length && bytes[i] !== 0) continue
    out.push(decodeName(bytes.subarray(from, i)))
    from = i + 1
  }
  return out
}

function extrasOf(items: readonly TocItem[]): Record<number, Extra> {
  const out: Record<number, Extra> = {}
  items.forEach(({ entry, sparse }, i) => {
    if (entry.major === undefined && !entry.xattrs && !sparse) return
    const extra: Extra = {}
    if (entry.major !== undefined) Object.assign(extra, { major: entry.major, minor: entry.minor ?? 0 })
    if (entry.xattrs) extra.xattrs = entry.xattrs.map(([k, v]) => [k, latin(v)])
    if (sparse) extra.sparse = sparse
    out[i] = extra
  })
  return out
}

function addExtras(items: TocItem[], extras: Record<string, Extra>): void {
  for (const [i, extra] of Object.entries(extras)) {
    const item = items[Number(i)]
    if (!item) throw invalid()
    if (extra.major !== undefined) Object.assign(item.entry, { major: extra.major, minor: extra.minor })
    if (extra.xattrs) item.entry.xattrs = extra.xattrs.map(([k, v]): Xattr => [k, unlatin(v)])
    if (extra.sparse) item.sparse = extra.sparse
  }
}

/** Bytes as the text of the same code points: short in JSON for what is mostly text. */
function latin(bytes: Uint8Array): string {
  let out = ''
  for (const b of bytes) out += String.fromCharCode(b)
  return out
}

function unlatin(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0))
}

function invalid(): TsboxError {
  return new TsboxError('E_TOC_INVALID', 'read table of contents: malformed')
}
