import { sortNames } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import { dirName } from '../../base/path.js'
import type { Entry } from '../../layer/entry.js'
import type { FileTree } from '../seams.js'
import { type Lookup, parentsOf, resolveInTree } from './resolve.js'

/** An entry of the layer to be. The content of a file is that of `path` in `tree`, or it is `bytes`. */
export interface Drafted {
  entry: Entry
  tree?: FileTree | undefined
  path?: string | undefined
  bytes?: Uint8Array | undefined
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
  /** What is not among `#entries` yet: most drafts are finished without a question about what a folder was copied to. */
  #appended: Drafted[] = []
  /** A directory below which nothing that was drafted hides the base: most questions are about one after the other. */
  #open: string | undefined

  constructor(base: Lookup, now: number) {
    this.#base = base
    this.#now = now
  }

  lstat(path: string): Entry | undefined {
    this.#takeAppended()
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
    this.#takeAppended()
    this.#entries.set(drafted.entry.path, drafted)
  }

  /** Puts an entry into a directory that was put before, under a name that nothing has there. */
  append(drafted: Drafted): void {
    this.#appended.push(drafted)
  }

  #takeAppended(): void {
    if (this.#appended.length === 0) return
    for (const drafted of this.#appended) this.#entries.set(drafted.entry.path, drafted)
    this.#appended = []
  }

  /** Removes what was drafted at and below `path` (what the root has there stays, hidden by the entry that follows). */
  drop(path: string): void {
    this.#takeAppended()
    for (const p of this.#entries.keys()) if (p === path || p.startsWith(`${path}/`)) this.#entries.delete(p)
  }

  /** The layer's entries in layer order, with the directories that lead to them as the root has them. */
  finish(): Drafted[] {
    const all = this.#withParents()
    return isInLayerOrder(all) ? all : inLayerOrder(all)
  }

  /** In the order of drafting, but each behind the directories that it stands in. */
  #withParents(): Drafted[] {
    const all: Drafted[] = []
    const known = new Set([''])
    const add = (dir: string) => {
      if (known.has(dir)) return
      known.add(dir)
      add(dirName(dir))
      const entry = this.#entries.has(dir) ? undefined : this.#base.lstat(dir)
      if (entry) all.push({ entry })
    }
    for (const drafted of this.#entries.values()) {
      add(dirName(drafted.entry.path))
      all.push(drafted)
    }
    // Where these stand was put before them.
    for (const drafted of this.#appended) all.push(drafted)
    return all
  }
}

function isWithin(path: string, dir: string): boolean {
  return path === dir || path.startsWith(`${dir}/`)
}

function isInLayerOrder(all: readonly Drafted[]): boolean {
  for (let i = 1; i < all.length; i++) if (!isBefore(all[i - 1]!.entry.path, all[i]!.entry.path)) return false
  return true
}

const SLASH = 0x2f

/** Whether `a` stands before `b` in a layer: names compare one by one, so that `/` comes before all else. */
function isBefore(a: string, b: string): boolean {
  const common = Math.min(a.length, b.length)
  for (let i = 0; i < common; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    // Bytes are in another order than surrogates: whoever sorts knows it.
    if (x >= 0xd800 || y >= 0xd800) return false
    return x === SLASH || (y !== SLASH && x < y)
  }
  return a.length < b.length
}

function inLayerOrder(all: readonly Drafted[]): Drafted[] {
  const byPath = new Map<string, Drafted>()
  const children = new Map<string, string[]>()
  for (const drafted of all) {
    const { path } = drafted.entry
    byPath.set(path, drafted)
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
      out.push(byPath.get(path)!)
      visit(path)
    }
  }
  const root = byPath.get('')
  if (root) out.push(root)
  visit('')
  return out
}
