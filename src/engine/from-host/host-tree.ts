import { lstatSync, readlinkSync } from 'node:fs'
import { compareNames } from '../../base/bytes.js'
import { errnoCode, TsboxError } from '../../base/error.js'
import { dirName } from '../../base/path.js'
import type { Entry } from '../../layer/entry.js'

/** What becomes an entry of the layer. */
export interface TreeNode {
  entry: Entry
  /** File of the host whose content it is. */
  source?: string | undefined
  /** Content that is not the host's. */
  content?: Uint8Array | undefined
}

const MAX_LINKS = 40

/**
 * The part of this machine's file system that an image gets: files at their own places, with every symlink on the way
 * kept, so that `/bin/sh` is found whether or not `/bin` is a link here. Everything is root's, folders are 0755.
 */
export class HostTree {
  readonly #nodes = new Map<string, TreeNode>()
  readonly #mtime: number

  /** @param mtime seconds since 1970, of every entry */
  constructor(mtime: number) {
    this.#mtime = mtime
  }

  /**
   * Takes in what a path of this machine leads to, and the links and folders on the way.
   *
   * @param path absolute
   * @returns the path of the file itself, without links; undefined where there is nothing
   */
  include(path: string): string | undefined {
    let parts = path.split('/').filter(Boolean)
    const done: string[] = []
    for (let links = 0; parts.length; ) {
      const part = parts[0]!
      parts = parts.slice(1)
      if (part === '.' || part === '..') {
        if (part === '..') done.pop()
        continue
      }
      const at = [...done, part].join('/')
      const stat = lstatIfThere(`/${at}`)
      if (!stat) return undefined
      if (stat.isSymbolicLink()) {
        if (++links > MAX_LINKS) return undefined
        const target = readlinkSync(`/${at}`)
        this.#put(at, { type: 'symlink', mode: 0o777, link: target })
        if (target.startsWith('/')) done.length = 0
        parts = [...target.split('/').filter(Boolean), ...parts]
        continue
      }
      done.push(part)
      if (stat.isDirectory()) this.dir(at)
      else if (stat.isFile()) this.#put(at, { type: 'file', mode: stat.mode & 0o7777, size: stat.size }, `/${at}`)
      else return undefined
    }
    return `/${done.join('/')}`
  }

  /** A folder, and those above it. A link or folder that is there stays. */
  dir(path: string, mode = 0o755): void {
    const known = this.#nodes.get(path)
    if (known && (known.entry.type === 'symlink' || mode === 0o755)) return
    this.#put(path, { type: 'dir', mode })
  }

  /** A file of our own; one that is there stays. */
  file(path: string, content: string): void {
    if (this.#nodes.has(path)) return
    const bytes = new TextEncoder().encode(content)
    this.#put(path, { type: 'file', mode: 0o644, size: bytes.length })
    this.#nodes.get(path)!.content = bytes
  }

  /** A link, below the folder that `path`'s folder leads to in the image; a name that is taken stays. */
  link(path: string, target: string): void {
    const dir = this.resolve(dirName(path)) ?? dirName(path)
    const at = `${dir}/${path.slice(path.lastIndexOf('/') + 1)}`.replace(/^\//, '')
    if (!this.#nodes.has(at)) this.#put(at, { type: 'symlink', mode: 0o777, link: target })
  }

  /** Where a path leads within the image; undefined where nothing is. Paths are relative to the root. */
  resolve(path: string): string | undefined {
    let parts = path.split('/').filter(Boolean)
    const done: string[] = []
    for (let links = 0; parts.length; ) {
      const part = parts[0]!
      parts = parts.slice(1)
      if (part === '.' || part === '..') {
        if (part === '..') done.pop()
        continue
      }
      const node = this.#nodes.get([...done, part].join('/'))
      if (!node || links > MAX_LINKS) return undefined
      if (node.entry.type !== 'symlink') {
        done.push(part)
        continue
      }
      links++
      const target = node.entry.link!
      if (target.startsWith('/')) done.length = 0
      parts = [...target.split('/').filter(Boolean), ...parts]
    }
    return done.join('/')
  }

  /** All entries in the order of a layer. */
  nodes(): TreeNode[] {
    const keyed = [...this.#nodes.values()].map((node) => ({ node, parts: node.entry.path.split('/') }))
    return keyed.sort((a, b) => compareParts(a.parts, b.parts)).map(({ node }) => node)
  }

  #put(path: string, entry: Pick<Entry, 'type' | 'mode'> & Partial<Entry>, source?: string): void {
    const above = dirName(path)
    if (above !== '') this.dir(above)
    this.#nodes.set(path, { entry: { uid: 0, gid: 0, size: 0, ...entry, path, mtime: this.#mtime }, source })
  }
}

function compareParts(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareNames(a[i]!, b[i]!)
    if (order) return order
  }
  return a.length - b.length
}

function lstatIfThere(path: string) {
  try {
    return lstatSync(path)
  } catch (err) {
    const code = errnoCode(err)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (code === 'EACCES') throw new TsboxError('E_FILE_UNREADABLE', `read file: it can't be read (EACCES): "${path}"`)
    throw err
  }
}
