import { decodeName, encodeName } from '../base/bytes.js'
import { STAMP_NUMBERS, StampTable } from './stamps.js'

const MAGIC = 'SUM2'
const HEADER_BYTES = 16
const SUM_BYTES = 32
const HEX_CHARS = 2 * SUM_BYTES

/** A layer that was made of the folder, and the boot of the machine in which it was. */
export interface NotedLayer {
  diffID: string
  boot: string
}

/** Checksums as they come from disk: columns, each used as it was read. */
export class SumTable {
  readonly layers: readonly NotedLayer[]
  readonly count: number
  readonly stamps: StampTable
  /** Each ended by NUL. */
  readonly #names: string
  readonly #hex: string
  #rows: Map<string, { row: number; end: number }> | undefined
  /** Files are asked for in the order in which they were remembered: the next one is most likely this. */
  #next = 0
  /** Where the name of that row begins. */
  #nextAt = 0

  /** @param bytes as {@link encodeSums} makes them; what is not whole counts as empty: it only costs time */
  constructor(bytes: Uint8Array | undefined) {
    const found = bytes && readColumns(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    this.layers = found?.layers ?? []
    this.count = found?.count ?? 0
    this.stamps = new StampTable(found?.numbers)
    this.#names = found?.names ?? ''
    this.#hex = found?.hex ?? ''
  }

  /** Names of the files, by number of the row. */
  names(): string[] {
    return this.#names.split('\0').slice(0, -1)
  }

  /** Number of the row of a file; -1 where there is none. */
  find(name: string): number {
    const end = this.#nextAt + name.length
    if (this.#names.charCodeAt(end) === 0 && this.#names.startsWith(name, this.#nextAt)) {
      this.#nextAt = end + 1
      return this.#next++
    }
    this.#rows ??= this.#index()
    const found = this.#rows.get(name)
    if (!found) return -1
    this.#next = found.row + 1
    this.#nextAt = found.end
    return found.row
  }

  #index(): Map<string, { row: number; end: number }> {
    const rows = new Map<string, { row: number; end: number }>()
    let end = 0
    for (const [row, name] of this.names().entries()) {
      end += name.length + 1
      rows.set(name, { row, end })
    }
    return rows
  }

  /** Hex SHA-256 of the content in a row. */
  hex(row: number): string {
    return this.#hex.slice(row * HEX_CHARS, (row + 1) * HEX_CHARS)
  }
}

/** One file to be written. */
export interface SumRow {
  name: string
  /** See {@link StampTable.row}. */
  numbers: Float64Array
  hex: string
}

/*
 * header: magic, count u32, names bytes u32, layers bytes u32; then per file five f64 (dev, ino, size, mtimeMs, ctimeMs),
 * then 32 bytes of sum per file, then the names, each ended by NUL, then the layers as JSON.
 */

/** Bytes that {@link SumTable} reads. */
export function encodeSums(rows: readonly SumRow[], layers: readonly NotedLayer[]): Uint8Array {
  const noted = Buffer.from(JSON.stringify(layers))
  const names = encodeName(rows.map(({ name }) => `${name}\0`).join(''))
  const sumsAt = HEADER_BYTES + rows.length * STAMP_NUMBERS * 8
  const namesAt = sumsAt + rows.length * SUM_BYTES
  const out = Buffer.alloc(namesAt + names.length + noted.length)
  out.write(MAGIC, 0, 'latin1')
  out.writeUInt32LE(rows.length, 4)
  out.writeUInt32LE(names.length, 8)
  out.writeUInt32LE(noted.length, 12)
  const numbers = new Float64Array(rows.length * STAMP_NUMBERS)
  for (const [i, row] of rows.entries()) {
    numbers.set(row.numbers, i * STAMP_NUMBERS)
    out.write(row.hex, sumsAt + i * SUM_BYTES, 'hex')
  }
  out.set(new Uint8Array(numbers.buffer), HEADER_BYTES)
  out.set(names, namesAt)
  out.set(noted, namesAt + names.length)
  return out
}

function readColumns(b: Buffer) {
  if (b.length < HEADER_BYTES || b.toString('latin1', 0, 4) !== MAGIC) return undefined
  const count = b.readUInt32LE(4)
  const sumsAt = HEADER_BYTES + count * STAMP_NUMBERS * 8
  const namesAt = sumsAt + count * SUM_BYTES
  const layersAt = namesAt + b.readUInt32LE(8)
  if (b.length !== layersAt + b.readUInt32LE(12)) return undefined
  return {
    count,
    numbers: doublesOf(b.subarray(HEADER_BYTES, sumsAt)),
    hex: b.toString('hex', sumsAt, namesAt),
    names: decodeName(b.subarray(namesAt, layersAt)),
    layers: JSON.parse(b.toString('utf8', layersAt)) as NotedLayer[],
  }
}

/** In place where they are aligned, as in a file that has a buffer of its own. */
function doublesOf(b: Buffer): Float64Array {
  const count = b.length / 8
  if (b.byteOffset % 8 === 0) return new Float64Array(b.buffer, b.byteOffset, count)
  return new Float64Array(b.buffer.slice(b.byteOffset, b.byteOffset + b.length))
}
