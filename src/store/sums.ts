import { statSync } from 'node:fs'
import { sha256Hex } from '../util/hash.js'
import { bootId } from '../util/identity.js'
import { namesIn } from '../util/names-in.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'
import { StampTable } from './stamps.js'
import { encodeSums, type NotedLayer, type SumRow, SumTable } from './sum-table.js'

/** A kernel's clock for file times ticks this coarsely at worst (HZ=100), with room to spare. */
const GRAIN_MS = 20
/** FAT counts two seconds, ext3 and HFS+ one: whole seconds betray them. */
const COARSE_GRAIN_MS = 2_000
/** A Dockerfile may copy a folder in parts, and several may copy the same folder. */
const MAX_LAYERS = 8

/**
 * Checksums of the files of one folder, from earlier runs. A file is the same while device, inode, size, mtime and
 * ctime are; one that changed within the clock's grain of being read could change again without any of them changing,
 * so it is not remembered.
 */
export class SumIndex {
  readonly #known: SumTable
  /** Rows of what was known that were asked for and still hold. */
  readonly #asked: Uint8Array
  #askedCount = 0
  readonly #stamps = new StampTable()
  readonly #fresh = new Map<string, { row: number; hex: string }>()
  #layers: readonly NotedLayer[]
  readonly #save: (bytes: Uint8Array) => void
  #changed = false

  constructor(bytes: Uint8Array | undefined, save: (bytes: Uint8Array) => void) {
    this.#known = new SumTable(bytes)
    this.#asked = new Uint8Array(this.#known.count)
    this.#layers = this.#known.layers
    this.#save = save
  }

  /**
   * Hex SHA-256 of the content, where the file is unchanged.
   *
   * @param stamps with what the file is like now in row `row`
   */
  lookup(path: string, stamps: StampTable, row: number): string | undefined {
    const fresh = this.#fresh.size > 0 ? this.#fresh.get(path) : undefined
    if (fresh) return this.#stamps.same(fresh.row, stamps, row) ? fresh.hex : undefined
    const at = this.#known.find(path)
    if (at < 0 || !this.#known.stamps.same(at, stamps, row)) return undefined
    if (this.#asked[at] === 0) this.#askedCount++
    this.#asked[at] = 1
    return this.#known.hex(at)
  }

  /**
   * @param stamps has in row `row` what the file was like before its content was read
   * @param readMs milliseconds since 1970 at which reading began
   */
  remember(path: string, stamps: StampTable, row: number, hex: string, readMs: number): void {
    const stamp = stamps.at(row)
    const whole = stamp.mtimeMs % 1000 === 0 && stamp.ctimeMs % 1000 === 0
    const newest = Math.max(stamp.mtimeMs, stamp.ctimeMs)
    if (newest >= readMs - (whole ? COARSE_GRAIN_MS : GRAIN_MS)) return
    this.#fresh.set(path, { row: this.#stamps.add(stamp), hex })
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
    this.#save(encodeSums(this.#rows(), this.#layers))
    this.#changed = false
  }

  /** In the order that was, with what is new at the end: the next build will ask in much the same one. */
  #rows(): SumRow[] {
    const { count, stamps } = this.#known
    const fresh = new Map(this.#fresh)
    const unasked = count - this.#askedCount
    const all = unasked <= this.#askedCount + fresh.size + 1000
    const rows: SumRow[] = []
    const put = (name: string, { row, hex }: { row: number; hex: string }) =>
      rows.push({ name, numbers: this.#stamps.row(row), hex })
    for (const [i, name] of this.#known.names().entries()) {
      const changed = fresh.get(name)
      if (changed) put(name, changed)
      else if (all || this.#asked[i] === 1) rows.push({ name, numbers: stamps.row(i), hex: this.#known.hex(i) })
      fresh.delete(name)
    }
    for (const [name, made] of fresh) put(name, made)
    return rows
  }
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
