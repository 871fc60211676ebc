import { sortNames } from '../../base/bytes.js'
import { dirName } from '../../base/path.js'
import type { FileTree } from '../../build/seams.js'
import type { Entry, EntrySink } from '../../layer/entry.js'
import type { ContainerChange } from '../api.js'

/**
 * What a container changed of its image, as docker lists it: a directory is changed where its own metadata is, or
 * something in it came or went.
 */
export class ChangeList implements EntrySink {
  readonly #image: FileTree
  readonly #found = new Map<string, ContainerChange['kind']>()

  constructor(image: FileTree) {
    this.#image = image
  }

  entry(entry: Entry): void {
    const { path, type } = entry
    const before = this.#image.lstat(path)
    if (type === 'opaque') this.#hidden(path)
    else if (type === 'whiteout') {
      if (before) this.#put(path, 'D')
    } else if (!before) this.#put(path, 'A')
    else if (type !== 'dir' || !sameDirectory(entry, before)) this.#put(path, 'C')
    // It was hidden as a whole, and is there again.
    else if (this.#found.get(path) === 'D') this.#found.delete(path)
  }

  data(): void {}

  /** Sorted by path; each begins with a slash. */
  changes(): ContainerChange[] {
    return sortNames([...this.#found.keys()]).map((path) => ({ kind: this.#found.get(path)!, path: `/${path}` }))
  }

  /** All that an opaque directory had is gone, but for what comes after this. */
  #hidden(path: string): void {
    for (const name of this.#image.readdir(path)) this.#put(path === '' ? name : `${path}/${name}`, 'D')
  }

  #put(path: string, kind: ContainerChange['kind']): void {
    if (path === '') return
    this.#found.set(path, kind)
    const parent = dirName(path)
    if (kind !== 'C' && parent !== '' && !this.#found.has(parent)) this.#found.set(parent, 'C')
  }
}

function sameDirectory(a: Entry, b: Entry): boolean {
  return b.type === 'dir' && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.mtime === b.mtime
}
