import type { Entry } from '../../layer/entry.js'
import type { FileTree, Layer } from '../seams.js'
import { IgnoreMatcher } from './ignore.js'

/**
 * A tree as a build context: what `.dockerignore` leaves of it, owned by root without extended attributes, as files of
 * a folder are.
 */
export class IgnoredTree implements FileTree {
  readonly #tree: FileTree
  readonly #ignore: IgnoreMatcher | undefined
  readonly #seen = new Map<string, Entry | undefined>()

  constructor(tree: FileTree, patterns: readonly string[]) {
    this.#tree = tree
    this.#ignore = patterns.length ? new IgnoreMatcher(patterns) : undefined
  }

  lstat(path: string): Entry | undefined {
    if (this.#seen.has(path)) return this.#seen.get(path)
    const entry = this.#tree.lstat(path)
    const shown = entry && !this.#excluded(path, entry) ? { ...entry, uid: 0, gid: 0, xattrs: undefined } : undefined
    this.#seen.set(path, shown)
    return shown
  }

  readdir(path: string): readonly string[] {
    if (this.lstat(path)?.type !== 'dir') return []
    return this.#tree.readdir(path).filter((name) => this.lstat(below(path, name)) !== undefined)
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.#tree.readFile(path)
  }

  stream(path: string): AsyncIterable<Uint8Array> {
    return this.#tree.stream(path)
  }

  readFiles(...args: Parameters<FileTree['readFiles']>): Promise<string[]> {
    return this.#tree.readFiles(...args)
  }

  knownHashes(paths: readonly string[]): (string | undefined)[] {
    return this.#tree.knownHashes(paths)
  }

  stored(layer: Layer): void {
    this.#tree.stored?.(layer)
  }

  /** An excluded directory still shows where something below it is not. */
  #excluded(path: string, entry: Entry): boolean {
    if (path === '' || !this.#ignore?.matches(path)) return false
    if (entry.type !== 'dir' || !this.#ignore.mayUnmatchBelow(path)) return true
    return !this.#tree.readdir(path).some((name) => this.lstat(below(path, name)) !== undefined)
  }
}

function below(dir: string, name: string): string {
  return dir === '' ? name : `${dir}/${name}`
}
