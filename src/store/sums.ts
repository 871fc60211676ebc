import { statSync } from 'node:fs'
import { decodeName, encodeName } from '../base/bytes.js'
import { sha256Hex } from '../util/hash.js'
import { bootId } from '../util/identity.js'
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
/** A Dockerfile may copy a folder in parts, and several may copy the same folder. */
const MAX_LAYERS = 8
const MAGIC = 'SUM2'
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
  #layers: NotedLayer[]
  readonly #save: (bytes: Uint8Array) => void
  #changed = false

  constructor(bytes: Uint8Array | undefined, save: (bytes: Uint8Array) => void) {
    const { rows, layers } = decodeSums(bytes)
    this.#known = rows
    this.#layers = layers
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
   * DiffIDs of layers that were made of the folder, the last one first. What a crash of the machine may have left
   * unwritten is not among them: nobody has looked at their bytes since.
   */
  get layers(): string[] {
    return this.#layers.filter((l) => l.boot === bootId()).map((l) => l.diffID)
  }

  /** Remembers a layer that was made of the folder. */
  noteLayer({ diffID }: { diffID?: string | undefined }): void {
    if (diffID === undefined) return
    this.#layers = [{ diffID, boot: bootId() }, ...this.#layers.filter((l) => l.diffID !== diffID)].slice(0, MAX_LAYERS)
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
    this.#save(encodeSums(rows, this.#layers))
    this.#changed = false
  }
}

interface Row extends FileStamp {
  hex: string
}

interface NotedLayer {
  diffID: string
  boot: string
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
 * header: magic, count u32, names bytes u32, layers bytes u32; then per file five f64 (dev, ino, size, mtimeMs, ctimeMs),
 * then 32 bytes of sum per file, then the names, each ended by NUL, then the layers as JSON. Columns: 50,000 files load in
 * one read.
 */
function encodeSums(rows: ReadonlyMap<string, Row>, layers: readonly NotedLayer[]): Uint8Array {
  const n = rows.size
  const noted = Buffer.from(JSON.stringify(layers))
  const names = encodeName([...rows.keys(), ''].join('\0'))
  const sumsAt = HEADER_BYTES + n * ROW_DOUBLES * 8
  const out = Buffer.alloc(sumsAt + n * SUM_BYTES + names.length + noted.length)
  out.write(MAGIC, 0, 'latin1')
  out.writeUInt32LE(n, 4)
  out.writeUInt32LE(names.length, 8)
  out.writeUInt32LE(noted.length, 12)
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
  out.set(noted, sumsAt + n * SUM_BYTES + names.length)
  return out
}

/** What is not whole counts as empty: it only costs time. */
function decodeSums(bytes: Uint8Array | undefined): { rows: Map<string, Row>; layers: NotedLayer[] } {
  const rows = new Map<string, Row>()
  if (!bytes) return { rows, layers: [] }
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (b.length < HEADER_BYTES || b.toString('latin1', 0, 4) !== MAGIC) return { rows, layers: [] }
  const n = b.readUInt32LE(4)
  const sumsAt = HEADER_BYTES + n * ROW_DOUBLES * 8
  const namesAt = sumsAt + n * SUM_BYTES
  const layersAt = namesAt + b.readUInt32LE(8)
  if (b.length !== layersAt + b.readUInt32LE(12)) return { rows, layers: [] }
  const numbers = new Float64Array(b.buffer.slice(b.byteOffset + HEADER_BYTES, b.byteOffset + sumsAt))
  const names = decodeName(b.subarray(namesAt, layersAt)).split('\0')
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
  return { rows, layers: JSON.parse(b.toString('utf8', layersAt)) as NotedLayer[] }
}
