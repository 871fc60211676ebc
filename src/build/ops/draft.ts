import { sortNames } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import { dirName } from '../../base/path.js'
import type { Entry } from '../../layer/entry.js'
import type { FileTree } from '../seams.js'
import { type Lookup, parentsOf, resolveInTree } from './resolve.js'

/** Where the content of a drafted file comes from. */
export type Content = { tree: FileTree; path: string } | { bytes: Uint8Array }

/** An entry of the layer to be, with its content by reference. */
export interface Drafted {
  entry: Entry
  content?: Content | undefined
}

export interface Owner {
  uid: number
  gid: number
}

/**
 * A layer in the making on top of a root of which only metadata is read. Paths given to it are literal: callers resolve
 * links with {@link resolve} first.
 */
export class LayerDraft implements Lookup {
  readonly #base: Lookup
  readonly #now: number
  readonly #entries = new Map<string, Drafted>()
  /** A directory below which nothing that was drafted hides the base: most questions are about one after the other. */
  #open: string | undefined

  constructor(base: Lookup, now: number) {
    this.#base = base
    this.#now = now
  }

  lstat(path: string): Entry | undefined {
    const own = this.#entries.get(path)
    if (own) return own.entry
    return this.#isHidden(dirName(path)) ? undefined : this.#base.lstat(path)
  }

  #isHidden(dir: string): boolean {
    if (dir === this.#open) return false
    for (const p of dir === '' ? [] : [...parentsOf(dir), dir]) {
      const parent = this.#entries.get(p)
      if (parent && parent.entry.type !== 'dir') return true
    }
    this.#open = dir
    return false
  }

  /** As `resolveInTree`, over the root with what was drafted. */
  resolve(path: string, followLast = true): string {
    return resolveInTree(this, path, followLast)
  }

  /** Makes `path` and the directories above it where they are missing: mode 0755, given owner, time now. */
  mkdirAll(path: string, owner: Owner): void {
    for (const p of path === '' ? [] : [...parentsOf(path), path]) {
      const there = this.lstat(p)
      if (there?.type === 'dir') continue
      if (there) throw new TsboxError('E_NOT_A_DIRECTORY', `create directory: a file is in the way "/${p}"`)
      this.#entries.set(p, {
        entry: { path: p, type: 'dir', mode: 0o755, ...owner, mtime: this.#now, size: 0 },
      })
    }
  }

  /** Puts an entry at its path, over whatever is there; the directory that it stands in must exist. */
  put(drafted: Drafted): void {
    if (drafted.entry.type !== 'dir' && this.#open !== undefined && isWithin(this.#open, drafted.entry.path))
      this.#open = undefined
    this.#entries.set(drafted.entry.path, drafted)
  }

  /** Removes what was drafted at and below `path` (what the root has there stays, hidden by the entry that follows). */
  drop(path: string): void {
    for (const p of this.#entries.keys()) if (p === path || p.startsWith(`${path}/`)) this.#entries.delete(p)
  }

  /** The layer's entries in layer order, with the directories that lead to them as the root has them. */
  finish(): Drafted[] {
    const all = new Map(this.#entries)
    for (const path of this.#entries.keys()) {
      for (const p of parentsOf(path)) {
        if (all.has(p)) continue
        const entry = this.#base.lstat(p)
        if (entry) all.set(p, { entry })
      }
    }
    return inLayerOrder(all)
  }
}

function isWithin(path: string, dir: string): boolean {
  return path === dir || path.startsWith(`${dir}/`)
}

function inLayerOrder(all: Map<string, Drafted>): Drafted[] {
  const children = new Map<string, string[]>()
  for (const path of all.keys()) {
    if (path === '') continue
    const dir = dirName(path)
    const list = children.get(dir)
    if (list) list.push(path)
    else children.set(dir, [path])
  }
  const out: Drafted[] = []
  const visit = (dir: string) => {
    const list = children.get(dir)
    if (!list) return
    sortNames(list)
    for (const path of list) {
      out.push(all.get(path)!)
      visit(path)
    }
  }
  const root = all.get('')
  if (root) out.push(root)
  visit('')
  return out
}
