import type { Entry } from '../../layer/entry.js'

/**
 * The read-only tree below: stacked layers, an index of tar blobs, memory. Synchronous, because a guest's system call
 * is. Paths are literal (no link of them is followed), relative to the root, `''` is the root.
 */
export interface LowerDir {
  /** Names in a directory, in any order; empty for what is no directory. */
  readdir(path: string): readonly string[]
  /** The entry at a path; a link's target is its `link`. A `hardlink` entry stands for the file that it names. */
  lstat(path: string): Entry | undefined
  /** Up to `length` bytes of a file from `offset`; fewer only at its end. The caller doesn't change them. */
  pread(path: string, offset: number, length: number): Uint8Array
}

/** A tree with nothing in it: `FROM scratch`. */
export const emptyLower: LowerDir = {
  readdir: () => [],
  lstat: () => undefined,
  pread: () => new Uint8Array(0),
}

/** A tree held in memory: entries as a layer has them (later ones win), with the content of the files among them. */
export function memoryLower(entries: Iterable<{ entry: Entry; content?: Uint8Array | undefined }>): LowerDir {
  const nodes = new Map<string, { entry: Entry; content: Uint8Array }>()
  const names = new Map<string, Set<string>>()
  for (const { entry, content } of entries) {
    nodes.set(entry.path, { entry, content: content ?? new Uint8Array(0) })
    if (entry.path === '') continue
    const slash = entry.path.lastIndexOf('/')
    const parent = slash < 0 ? '' : entry.path.slice(0, slash)
    const siblings = names.get(parent) ?? new Set()
    names.set(parent, siblings.add(entry.path.slice(slash + 1)))
  }
  return {
    readdir: (path) => [...(names.get(path) ?? [])],
    lstat: (path) => nodes.get(path)?.entry,
    pread: (path, offset, length) => (nodes.get(path)?.content ?? new Uint8Array(0)).subarray(offset, offset + length),
  }
}
