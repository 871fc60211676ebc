import { compareNames } from '../base/bytes.js'
import type { Entry } from './entry.js'
import type { SparseExtent } from './tar-header.js'
import type { Toc, TocItem } from './toc.js'

/** Where a path's metadata and content come from. */
export interface Located {
  /** Index into the stack of the layer that holds the content. */
  layerIndex: number
  /** As {@link LayerTree.lstat} gives it. */
  entry: Entry
  /** Byte of that layer's uncompressed tar; -1 where there is no content. */
  offset: number
  sparse?: readonly SparseExtent[] | undefined
  /** Path of the content within that layer: differs from `entry.path` for a hard link. */
  contentPath: string
}

interface Node {
  item: TocItem
  layer: number
  /** Set for a hard link: the file it names. */
  contentPath?: string
  children?: Map<string, Node>
  sorted?: string[]
}

/**
 * Merged view of a stack of layers, with overlayfs' meaning: the topmost metadata of a directory wins and its contents
 * merge; anything else replaces, and is replaced, whole; whiteouts and opaque directories hide lower layers only.
 *
 * A hard link shows as the file it names. A directory that no layer describes is root's, 0755, of 1970.
 */
export class LayerTree {
  readonly #tocs: readonly Toc[]
  #root: Node | undefined

  /** @param tocs base first. Merging happens at the first question. */
  constructor(tocs: readonly Toc[]) {
    this.#tocs = tocs
  }

  /** The entry at a literal path: no symlink is followed. `''` is the root, which is always there. */
  lstat(path: string): Entry | undefined {
    return this.#find(path)?.item.entry
  }

  /** Names in a directory in byte order; empty for what is no directory. */
  readdir(path: string): readonly string[] {
    const node = this.#find(path)
    if (!node?.children) return []
    node.sorted ??= [...node.children.keys()].sort(compareNames)
    return node.sorted
  }

  locate(path: string): Located | undefined {
    const node = this.#find(path)
    if (!node) return undefined
    const { item, layer } = node
    return {
      layerIndex: layer,
      entry: item.entry,
      offset: item.offset,
      sparse: item.sparse,
      contentPath: node.contentPath ?? item.entry.path,
    }
  }

  #find(path: string): Node | undefined {
    this.#root ??= mergeLayers(this.#tocs)
    return findNode(this.#root, path)
  }
}

function findNode(root: Node, path: string): Node | undefined {
  let node: Node | undefined = root
  if (path === '') return node
  for (let from = 0; node; ) {
    const slash = path.indexOf('/', from)
    node = node.children?.get(slash < 0 ? path.slice(from) : path.slice(from, slash))
    if (slash < 0) return node
    from = slash + 1
  }
  return undefined
}

function mergeLayers(tocs: readonly Toc[]): Node {
  const root = implicitDir('', -1)
  tocs.forEach((toc, layer) => {
    // Hiding comes first whatever the order in the tar: it concerns lower layers only.
    for (const { entry } of toc.items) if (entry.type === 'whiteout' || entry.type === 'opaque') hide(root, entry)
    new LayerMerge(root, layer).run(toc)
  })
  return root
}

function hide(root: Node, entry: Entry): void {
  if (entry.type === 'opaque') {
    const dir = findNode(root, entry.path)
    if (dir?.children) dir.children = new Map()
    return
  }
  const slash = entry.path.lastIndexOf('/')
  const parent = findNode(root, slash < 0 ? '' : entry.path.slice(0, slash))
  parent?.children?.delete(entry.path.slice(slash + 1))
}

/** Puts one layer's entries onto the tree; remembers the last directory, as entries come depth first. */
class LayerMerge {
  readonly #root: Node
  readonly #layer: number
  #dirPath = ''
  #dir: Node

  constructor(root: Node, layer: number) {
    this.#root = root
    this.#layer = layer
    this.#dir = root
  }

  run(toc: Toc): void {
    for (const item of toc.items) {
      const { type } = item.entry
      if (type === 'whiteout' || type === 'opaque') continue
      if (item.entry.path === '') this.#root.item = type === 'dir' ? item : this.#root.item
      else this.#put(item)
    }
  }

  #put(item: TocItem): void {
    const { path, type } = item.entry
    const slash = path.lastIndexOf('/')
    const name = path.slice(slash + 1)
    const siblings = this.#directory(slash < 0 ? '' : path.slice(0, slash)).children!
    if (type === 'hardlink') {
      this.#putHardLink(item, name, siblings)
      return
    }
    const old = siblings.get(name)
    if (type === 'dir' && old?.children) {
      old.item = item
      old.layer = this.#layer
      return
    }
    const node: Node = { item, layer: this.#layer }
    if (type === 'dir') node.children = new Map()
    siblings.set(name, node)
    this.#forgetBelow(path)
  }

  #putHardLink(item: TocItem, name: string, siblings: Map<string, Node>): void {
    const target = findNode(this.#root, item.entry.link ?? '')
    // A link to nothing or to a directory can't be made by anybody.
    if (!target || target.children) return
    const entry: Entry = { ...target.item.entry, path: item.entry.path }
    siblings.set(name, {
      item: { ...target.item, entry },
      layer: target.layer,
      contentPath: target.contentPath ?? target.item.entry.path,
    })
    this.#forgetBelow(item.entry.path)
  }

  /** A replaced directory must not be remembered as the last one. */
  #forgetBelow(path: string): void {
    if (this.#dirPath === path || this.#dirPath.startsWith(`${path}/`)) {
      this.#dirPath = ''
      this.#dir = this.#root
    }
  }

  #directory(path: string): Node {
    if (path === this.#dirPath) return this.#dir
    let node = this.#root
    for (let from = 0; path !== '' && from >= 0; ) {
      const slash = path.indexOf('/', from)
      const end = slash < 0 ? path.length : slash
      const name = path.slice(from, end)
      let next = node.children!.get(name)
      if (!next?.children) {
        next = implicitDir(path.slice(0, end), this.#layer)
        node.children!.set(name, next)
      }
      node = next
      from = slash < 0 ? -1 : slash + 1
    }
    this.#dirPath = path
    this.#dir = node
    return node
  }
}

function implicitDir(path: string, layer: number): Node {
  const entry: Entry = { path, type: 'dir', mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 0 }
  return { item: { entry, offset: -1 }, layer, children: new Map() }
}
