import { statSync } from 'node:fs'
import { decodeName, encodeName } from '../base/bytes.js'
import { sha256Hex } from '../util/hash.js'
import { namesIn } from '../util/names-in.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

/** What tells that a file is the one that was hashed: fields of `fs.Stats`. */
export interface FileStamp {
  dev: number
  ino: number
  size: number
  mtimeMs: number
  ctimeMs: number
}

/** A kernel's clock for file times ticks this coarsely at worst (HZ=100), with room to spare. */
const GRAIN_MS = 20
/** FAT counts two seconds, ext3 and HFS+ one: whole seconds betray them. */
const COARSE_GRAIN_MS = 2_000
const MAGIC = 'SUM1'
const HEADER_BYTES = 16
const ROW_DOUBLES = 5
const SUM_BYTES = 32

/**
 * Checksums of the files of one folder, from earlier runs. A file is the same while device, inode, size, mtime and
 * ctime are; one that changed within the clock's grain of being read could change again without any of them changing,
 * so it is not remembered.
 */
export class SumIndex {
  readonly #known: Map<string, Row>
  readonly #seen = new Map<string, Row>()
  readonly #save: (bytes: Uint8Array) => void
  #changed = false

  constructor(bytes: Uint8Array | undefined, save: (bytes: Uint8Array) => void) {
    this.#known = bytes ? decodeSums(bytes) : new Map()
    this.#save = save
  }

  /** Hex SHA-256 of the content, where the file is unchanged. */
  lookup(path: string, stamp: FileStamp): string | undefined {
    const row = this.#seen.get(path) ?? this.#known.get(path)
    if (!row || !sameFile(row, stamp)) return undefined
    this.#seen.set(path, row)
    return row.hex
  }

  /**
   * @param stamp taken before the content was read
   * @param readMs milliseconds since 1970 at which reading began
   */
  remember(path: string, stamp: FileStamp, hex: string, readMs: number): void {
    const whole = stamp.mtimeMs % 1000 === 0 && stamp.ctimeMs % 1000 === 0
    const newest = Math.max(stamp.mtimeMs, stamp.ctimeMs)
    if (newest >= readMs - (whole ? COARSE_GRAIN_MS : GRAIN_MS)) return
    const { dev, ino, size, mtimeMs, ctimeMs } = stamp
    this.#seen.set(path, { dev, ino, size, mtimeMs, ctimeMs, hex })
    this.#changed = true
  }

  /**
   * Writes the index where there is something new. Files that were not asked for stay, since another Dockerfile of the
   * same folder may want them, until they are more than those that were.
   */
  save(): void {
    if (!this.#changed) return
    const rest = this.#known.size - this.#seen.size
    const rows = rest > this.#seen.size + 1000 ? this.#seen : new Map([...this.#known, ...this.#seen])
    this.#save(encodeSums(rows))
    this.#changed = false
  }
}

interface Row extends FileStamp {
  hex: string
}

function sameFile(a: FileStamp, b: FileStamp): boolean {
  return a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.dev === b.dev
}

/** Checksum indexes by folder. */
export class SumStore {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  /** @param dir absolute path of the folder */
  open(dir: string, lease: Lease): SumIndex {
    const path = this.#place.path('sums', sha256Hex(dir).slice(0, 32))
    return new SumIndex(this.#place.read(path), (bytes) => this.#place.write(path, bytes, lease.tempPath('sums')))
  }

  /** Forgets all. @returns bytes on disk that became free */
  clear(): number {
    let freed = 0
    for (const name of namesIn(this.#place.path('sums'))) {
      const path = this.#place.path('sums', name)
      freed += (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512
      this.#place.unlink(path)
    }
    return freed
  }
}

/*
 * header: magic, count u32, names bytes u32, zero; then per file five f64 (dev, ino, size, mtimeMs, ctimeMs), then
 * 32 bytes of sum per file, then the names, each ended by NUL. Columns: 50,000 files load in one read.
 */
function encodeSums(rows: ReadonlyMap<string, Row>): Uint8Array {
  const n = rows.size
  const names = encodeName([...rows.keys(), ''].join('\0'))
  const sumsAt = HEADER_BYTES + n * ROW_DOUBLES * 8
  const out = Buffer.alloc(sumsAt + n * SUM_BYTES + names.length)
  out.write(MAGIC, 0, 'latin1')
  out.writeUInt32LE(n, 4)
  out.writeUInt32LE(names.length, 8)
  const numbers = new Float64Array(n * ROW_DOUBLES)
  let i = 0
  for (const row of rows.values()) {
    const at = i * ROW_DOUBLES
    numbers[at] = row.dev
    numbers[at + 1] = row.ino
    numbers[at + 2] = row.size
    numbers[at + 3] = row.mtimeMs
    numbers[at + 4] = row.ctimeMs
    out.write(row.hex, sumsAt + i * SUM_BYTES, 'hex')
    i++
  }
  out.set(new Uint8Array(numbers.buffer), HEADER_BYTES)
  out.set(names, sumsAt + n * SUM_BYTES)
  return out
}

/** What is not whole counts as empty: it only costs time. */
function decodeSums(bytes: Uint8Array): Map<string, Row> {
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const rows = new Map<string, Row>()
  if (b.length < HEADER_BYTES || b.toString('latin1', 0, 4) !== MAGIC) return rows
  const n = b.readUInt32LE(4)
  const sumsAt = HEADER_BYTES + n * ROW_DOUBLES * 8
  const namesAt = sumsAt + n * SUM_BYTES
  if (b.length !== namesAt + b.readUInt32LE(8)) return rows
  const numbers = new Float64Array(b.buffer.slice(b.byteOffset + HEADER_BYTES, b.byteOffset + sumsAt))
  const names = decodeName(b.subarray(namesAt)).split('\0')
  const sums = b.toString('hex', sumsAt, namesAt)
  for (let i = 0; i < n; i++) {
    const at = i * ROW_DOUBLES
    rows.set(names[i]!, {
      dev: numbers[at]!,
      ino: numbers[at + 1]!,
      size: numbers[at + 2]!,
      mtimeMs: numbers[at + 3]!,
      ctimeMs: numbers[at + 4]!,
      hex: sums.slice(i * 64, i * 64 + 64),
    })
  }
  return rows
}
