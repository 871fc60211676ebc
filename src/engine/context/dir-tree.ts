import { createReadStream } from 'node:fs'
import { sortNames } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import { baseName, dirName } from '../../base/path.js'
import { IgnoreMatcher, type ParentState } from '../../build/context/ignore.js'
import type { FileTree, Layer } from '../../build/seams.js'
import type { Entry } from '../../layer/entry.js'
import { StampTable } from '../../store/stamps.js'
import type { SumIndex } from '../../store/sums.js'
import { contentSha256, contentSha256Hex } from '../../util/hash.js'
import { Turn } from '../../util/turn.js'
import { diskPath, namesIn, readScanned, scanFile } from './dir-files.js'
import type { StoredContents } from './stored-contents.js'

const NOTHING = new Uint8Array(0)

/**
 * A folder as a build context: what `.dockerignore` leaves of it. Looks at each file once, and only where asked.
 */
export class DirTree implements FileTree {
  readonly #root: string
  readonly #ignore: IgnoreMatcher | undefined
  readonly #sums: SumIndex
  /** What was found: an entry and a stamp in each row. */
  readonly #entries: Entry[] = []
  readonly #stamps = new StampTable()
  /** Rows of what was looked at by its name; -1 for what is not in the context. */
  readonly #rows = new Map<string, number>()
  /** Folders of which all was looked at. */
  readonly #listings = new Map<string, Listing>()
  /** Folders of which something was looked at by its name. */
  readonly #partly = new Set<string>()
  /** The row behind the one that was asked for last: most are asked for in the order in which they were found. */
  #next = 0
  /** What the patterns say of what is in a directory. */
  readonly #states = new Map<string, ParentState>()
  readonly #layers: StoredContents
  /** Calls of readFiles under way: steps run side by side. */
  #reading = 0
  readonly #buffer = new Uint8Array(1 << 20)

  /** @param layers made of the folder before: what they hold is not read again */
  constructor(root: string, patterns: readonly string[], sums: SumIndex, layers: StoredContents) {
    this.#root = root
    this.#layers = layers
    this.#ignore = patterns.length ? new IgnoreMatcher(patterns) : undefined
    this.#sums = sums
  }

  lstat(path: string): Entry | undefined {
    return this.#entries[this.#look(path)]
  }

  readdir(path: string): readonly string[] {
    return this.list(path).map((entry) => baseName(entry.path))
  }

  list(path: string): readonly Entry[] {
    if (this.lstat(path)?.type !== 'dir') return []
    let listing = this.#listings.get(path)
    if (!listing) {
      listing = this.#listAll(path)
      this.#listings.set(path, listing)
    }
    return listing.entries
  }

  #listAll(dir: string): Listing {
    const listing: Listing = { entries: [], rows: [], byPath: undefined }
    const prefix = dir === '' ? '' : `${dir}/`
    const partly = this.#partly.has(dir)
    for (const name of sortNames(namesIn(this.#root, dir))) {
      const path = prefix + name
      const row = (partly ? this.#rows.get(path) : undefined) ?? this.#scan(dir, path)
      if (row < 0) continue
      listing.entries.push(this.#entries[row]!)
      listing.rows.push(row)
    }
    return listing
  }

  async readFile(path: string): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for (const chunk of this.#readScanned(this.#file(path))) chunks.push(chunk.slice())
    return Buffer.concat(chunks)
  }

  async *stream(path: string): AsyncIterable<Uint8Array> {
    const { size } = this.#entries[this.#file(path)]!
    if (size === 0) return
    yield* createReadStream(diskPath(this.#root, path), { highWaterMark: 1 << 18, end: size - 1 })
  }

  async readFiles(
    paths: readonly string[],
    onFile: (index: number) => void,
    onData: (chunk: Uint8Array) => void,
  ): Promise<string[]> {
    const hashes: string[] = []
    const turn = new Turn()
    this.#reading++
    try {
      for (const [i, path] of paths.entries()) {
        const row = this.#file(path)
        onFile(i)
        const known = this.#sums.lookup(path, this.#stamps, row)
        const earlier = known === undefined ? undefined : this.#layers.read(known, this.#entries[row]!.size)
        if (known !== undefined && earlier) {
          for (const chunk of earlier) {
            onData(chunk)
            if (turn.over) await turn.rest()
          }
          hashes.push(known)
        } else hashes.push(await this.#readNew(row, onData, turn))
        if (turn.over) await turn.rest()
      }
    } finally {
      this.#reading--
      if (this.#reading === 0) this.#layers.close()
    }
    return hashes
  }

  /** Reads a file from the folder. @returns hex SHA-256 of the content, which is remembered */
  async #readNew(row: number, onData: (chunk: Uint8Array) => void, turn: Turn): Promise<string> {
    const readMs = Date.now()
    const { path, size } = this.#entries[row]!
    const hash = size > this.#buffer.length ? contentSha256() : undefined
    let hex: string | undefined
    for (const chunk of this.#readScanned(row)) {
      if (hash) hash.update(chunk)
      else hex = contentSha256Hex(chunk)
      onData(chunk)
      if (turn.over) await turn.rest()
    }
    hex ??= hash ? hash.hex() : contentSha256Hex(NOTHING)
    this.#sums.remember(path, this.#stamps, row, hex, readMs)
    return hex
  }

  stored(layer: Layer): void {
    this.#sums.noteLayer(layer)
  }

  knownHashes(paths: readonly string[]): (string | undefined)[] {
    return paths.map((p) => this.#sums.lookup(p, this.#stamps, this.#file(p)))
  }

  #readScanned(row: number): Generator<Uint8Array> {
    return readScanned(this.#root, { entry: this.#entries[row]!, stamp: this.#stamps.at(row) }, this.#buffer)
  }

  #file(path: string): number {
    const row = this.#look(path)
    if (this.#entries[row]?.type !== 'file')
      throw new TsboxError('E_FILE_CHANGED', `read build context: no longer a file "${path}"`)
    return row
  }

  /** Row of a path; -1 for what is not in the context. */
  #look(path: string): number {
    if (this.#entries[this.#next]?.path === path) return this.#next++
    const row = this.#rows.get(path) ?? this.#lookIn(dirName(path), path)
    this.#next = row + 1
    return row
  }

  #lookIn(parent: string, path: string): number {
    const listing = path === '' ? undefined : this.#listings.get(parent)
    if (listing) {
      listing.byPath ??= new Map(listing.entries.map((entry, i) => [entry.path, listing.rows[i]!]))
      return listing.byPath.get(path) ?? -1
    }
    // A path below something that is no directory (a link, say) is not in the context.
    if (path !== '' && this.#entries[this.#look(parent)]?.type !== 'dir') return this.#note(parent, path, -1)
    return this.#note(parent, path, this.#scan(parent, path))
  }

  #note(parent: string, path: string, row: number): number {
    this.#partly.add(parent)
    this.#rows.set(path, row)
    return row
  }

  /** Looks at what is in a directory that is in the context, or may be. */
  #scan(parent: string, path: string): number {
    const found = scanFile(this.#root, path)
    if (!found || this.#excluded(parent, found.entry)) return -1
    this.#entries.push(found.entry)
    return this.#stamps.add(found.stamp)
  }

  /** An excluded directory still shows where something below it is not. */
  #excluded(parent: string, { path, type }: Entry): boolean {
    if (path === '' || !this.#ignore) return false
    const above = this.#states.get(parent)
    if (type !== 'dir') return this.#ignore.matchesIn(path, above)
    const { matched, state } = this.#ignore.step(path, above)
    this.#states.set(path, state)
    if (!matched) return false
    if (!this.#ignore.mayUnmatchBelow(path)) return true
    return !namesIn(this.#root, path).some((name) => this.#shows(path, `${path}/${name}`))
  }

  /** Each path is looked at once: what is found here is found again when the directory is listed. */
  #shows(parent: string, path: string): boolean {
    return (this.#rows.get(path) ?? this.#note(parent, path, this.#scan(parent, path))) >= 0
  }
}

interface Listing {
  entries: Entry[]
  /** Of each entry. */
  rows: number[]
  /** Rows by path, once something is asked for out of order. */
  byPath: Map<string, number> | undefined
}
