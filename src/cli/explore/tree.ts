import type { ExploredImage, LayerChange } from '../../engine/api.js'

/** A line of the tree of files. */
export interface TreeRow {
  path: string
  name: string
  /** Folders above it. */
  depth: number
  /** What the layer does to it; `same` for what came from below or is only on the way. */
  kind: LayerChange['kind'] | 'same'
  type: string
  mode: number
  uid: number
  gid: number
  size: number
  link?: string | undefined
  folder: boolean
  open: boolean
}

/** What the tree shows: only what the layer changes, or all that is there once it is in place. */
export type TreeView = 'changes' | 'all'

interface Node {
  row: Omit<TreeRow, 'open' | 'depth' | 'name' | 'path'>
  children: Map<string, Node>
}

/**
 * Files after a layer, as lines.
 *
 * @param index of the layer
 * @param closed paths of folders whose contents are not shown
 * @param search only paths that contain it, with the folders above them; '' shows all
 */
export function treeRows(
  image: ExploredImage,
  index: number,
  view: TreeView,
  closed: ReadonlySet<string>,
  search: string,
): TreeRow[] {
  const root = folder()
  const from = view === 'all' ? 0 : index
  for (let i = from; i <= index; i++) for (const change of image.layers[i]!.changes) put(root, change, i === index)
  const out: TreeRow[] = []
  list(root, '', 0, { closed, search, out })
  return out
}

function folder(): Node {
  return {
    row: { kind: 'same', type: 'dir', mode: 0o755, uid: 0, gid: 0, size: 0, folder: true },
    children: new Map(),
  }
}

function put(root: Node, change: LayerChange, current: boolean): void {
  const names = change.path.split('/')
  const last = names.pop()!
  let node = root
  for (const name of names) {
    let next = node.children.get(name)
    if (!next) {
      next = folder()
      node.children.set(name, next)
    }
    node = next
  }
  if (change.kind === 'removed' && !current) {
    node.children.delete(last)
    return
  }
  const { kind, type, mode, uid, gid, size, link } = change
  const isFolder = type === 'dir'
  const row = { kind: current ? kind : ('same' as const), type, mode, uid, gid, size, link, folder: isFolder }
  node.children.set(last, { row, children: isFolder ? (node.children.get(last)?.children ?? new Map()) : new Map() })
}

interface Listing {
  closed: ReadonlySet<string>
  search: string
  out: TreeRow[]
}

/** @returns whether anything below was listed */
function list(node: Node, path: string, depth: number, listing: Listing): boolean {
  const { closed, search, out } = listing
  let any = false
  for (const name of [...node.children.keys()].sort()) {
    const child = node.children.get(name)!
    const below = path === '' ? name : `${path}/${name}`
    const open = !closed.has(below) || search !== ''
    const at = out.length
    out.push({ ...child.row, path: below, name, depth, open })
    const found = open && list(child, below, depth + 1, listing)
    if (found || below.includes(search)) any = true
    else out.length = at
  }
  return any
}
