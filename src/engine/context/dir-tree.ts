import { createReadStream } from 'node:fs'
import { sortNames } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import { dirName } from '../../base/path.js'
import { IgnoreMatcher } from '../../build/context/ignore.js'
import type { FileTree, Layer } from '../../build/seams.js'
import type { Entry } from '../../layer/entry.js'
import type { SumIndex } from '../../store/sums.js'
import { contentSha256, contentSha256Hex } from '../../util/hash.js'
import { Turn } from '../../util/turn.js'
import { diskPath, namesIn, readScanned, type ScannedFile, scanFile } from './dir-files.js'
import type { StoredContents } from './stored-contents.js'

const NOTHING = new Uint8Array(0)

/**
 * A folder as a build context: what `.dockerignore` leaves of it. Looks at each file once, and only where asked.
 */
export class DirTree implements FileTree {
  readonly #root: string
  readonly #ignore: IgnoreMatcher | undefined
  readonly #sums: SumIndex
  readonly #seen = new Map<string, ScannedFile | undefined>()
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
    return this.#look(path)?.entry
  }

  readdir(path: string): readonly string[] {
    if (this.lstat(path)?.type !== 'dir') return []
    const names = namesIn(this.#root, path)
    return sortNames(names.filter((name) => this.lstat(path === '' ? name : `${path}/${name}`) !== undefined))
  }

  async readFile(path: string): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for (const chunk of readScanned(this.#root, this.#file(path), this.#buffer)) chunks.push(chunk.slice())
    return Buffer.concat(chunks)
  }

  async *stream(path: string): AsyncIterable<Uint8Array> {
    const file = this.#file(path)
    if (file.entry.size === 0) return
    yield* createReadStream(diskPath(this.#root, path), { highWaterMark: 1 << 18, end: file.entry.size - 1 })
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
        const file = this.#file(path)
        onFile(i)
        const known = this.#sums.lookup(path, file.stamp)
        const earlier = known === undefined ? undefined : this.#layers.read(known, file.stamp.size)
        if (known !== undefined && earlier) {
          for (const chunk of earlier) {
            onData(chunk)
            if (turn.over) await turn.rest()
          }
          hashes.push(known)
        } else hashes.push(await this.#readNew(path, file, onData, turn))
        if (turn.over) await turn.rest()
      }
    } finally {
      this.#reading--
      if (this.#reading === 0) this.#layers.close()
    }
    return hashes
  }

  /** Reads a file from the folder. @returns hex SHA-256 of the content, which is remembered */
  async #readNew(path: string, file: ScannedFile, onData: (chunk: Uint8Array) => void, turn: Turn): Promise<string> {
    const readMs = Date.now()
    const { size } = file.stamp
    const hash = size > this.#buffer.length ? contentSha256() : undefined
    let hex: string | undefined
    for (const chunk of readScanned(this.#root, file, this.#buffer)) {
      if (hash) hash.update(chunk)
      else hex = contentSha256Hex(chunk)
      onData(chunk)
      if (turn.over) await turn.rest()
    }
    hex ??= hash ? hash.hex() : contentSha256Hex(NOTHING)
    this.#sums.remember(path, file.stamp, hex, readMs)
    return hex
  }

  stored(layer: Layer): void {
    this.#sums.noteLayer(layer)
  }

  knownHashes(paths: readonly string[]): (string | undefined)[] {
    return paths.map((p) => this.#sums.lookup(p, this.#file(p).stamp))
  }

  #file(path: string): ScannedFile {
    const file = this.#look(path)
    if (file?.entry.type !== 'file')
      throw new TsboxError('E_FILE_CHANGED', `read build context: no longer a file "${path}"`)
    return file
  }

  #look(path: string): ScannedFile | undefined {
    if (this.#seen.has(path)) return this.#seen.get(path)
    const found = this.#visible(path) ? scanFile(this.#root, path) : undefined
    const shown = found && this.#excluded(path, found.entry) ? undefined : found
    this.#seen.set(path, shown)
    return shown
  }

  /** A path below something that is no directory (a link, say) is not in the context. */
  #visible(path: string): boolean {
    if (path === '') return true
    const parent = dirName(path)
    if (parent === '') return true
    return this.#look(parent)?.entry.type === 'dir'
  }

  /** An excluded directory still shows where something below it is not. */
  #excluded(path: string, entry: Entry): boolean {
    if (path === '' || !this.#ignore?.matches(path)) return false
    if (entry.type !== 'dir' || !this.#ignore.mayUnmatchBelow(path)) return true
    return !namesIn(this.#root, path).some((name) => this.#shows(`${path}/${name}`))
  }

  #shows(path: string): boolean {
    const found = scanFile(this.#root, path)
    return found !== undefined && !this.#excluded(path, found.entry)
  }
}
