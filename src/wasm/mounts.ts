import { baseName, dirName } from '../base/path.js'
import { makeDir } from './vfs/change.js'
import { VfsError } from './vfs/error.js'
import type { DeviceRole, DirInode } from './vfs/inode.js'
import type { LowerDir } from './vfs/lower.js'
import { find, type Place, resolve } from './vfs/resolve.js'
import { Tree } from './vfs/tree.js'

/** A mount of a command: memory, one small file, or (part of) another tree whose changes are thrown away. */
export type CommandMount =
  | { type: 'tmpfs'; target: string; sizeBytes?: number | undefined }
  | { type: 'secret'; target: string; value: Uint8Array; mode: number; uid: number; gid: number }
  | { type: 'bind'; target: string; source: LowerDir; path: string; readonly: boolean }

const DEVICES: readonly [name: string, role: DeviceRole, minor: number][] = [
  ['null', 'null', 3],
  ['zero', 'zero', 5],
  ['full', 'full', 7],
  ['random', 'random', 8],
  ['urandom', 'random', 9],
]

/** Gives the guest its devices, on a /dev of its own as a container has it: nothing below /dev enters the layer. */
export function mountDevices(tree: Tree): void {
  const dev = tree.treeRoot(undefined)
  tree.mount(tree.root, 'dev', dev)
  for (const [name, role, minor] of DEVICES) tree.mount(dev, name, tree.makeDevice(dev, role, minor))
}

/** @throws VfsError where the target lies below a file, or the source of a bind is not there */
export function mountAll(tree: Tree, mounts: readonly CommandMount[]): void {
  for (const mount of mounts) {
    const place = mountPoint(tree, mount.target)
    if (mount.type === 'secret') mountSecret(tree, place, mount)
    else if (mount.type === 'bind') mountBind(tree, place, mount)
    else mountTmpfs(tree, place, mount.sizeBytes)
  }
}

/** The name to mount on; directories missing on the way to it are made as mounts too, so that no layer gets them. */
function mountPoint(tree: Tree, target: string): Place {
  const names = target.split('/').filter((name) => name !== '' && name !== '.')
  let dir: DirInode = tree.root
  for (const name of names.slice(0, -1)) {
    let next = find(tree, dir, name)
    if (!next) {
      next = tree.treeRoot(undefined)
      tree.mount(dir, name, next)
    }
    if (next.kind !== 'dir') throw new VfsError('ENOTDIR', target)
    dir = next
  }
  const place = resolve(tree, dir, names.at(-1) ?? '.', true)
  if (place.name === '') throw new VfsError('EBUSY', target)
  return place
}

function mountTmpfs(tree: Tree, place: Place, sizeBytes: number | undefined): void {
  const root = tree.treeRoot(undefined)
  tree.mount(place.dir, place.name, root)
  if (sizeBytes !== undefined) tree.limit(root.device, sizeBytes)
}

function mountSecret(tree: Tree, place: Place, secret: Extract<CommandMount, { type: 'secret' }>): void {
  const file = tree.makeFile(tree.treeRoot(undefined), secret.mode)
  file.content.write(secret.value, 0)
  Object.assign(file, { uid: secret.uid, gid: secret.gid, links: 1 })
  tree.mount(place.dir, place.name, file)
  tree.freeze(file.device)
}

function mountBind(tree: Tree, place: Place, bind: Extract<CommandMount, { type: 'bind' }>): void {
  // A tree of its own resolves the path, so that the source's links stay in the source.
  const source = new Tree({ ...tree.options, lower: bind.source })
  const { origin, kind } = find(source, source.root, `/${bind.path}`) ?? {}
  if (!origin) throw new VfsError('ENOENT', bind.path)
  const node =
    kind === 'dir'
      ? tree.treeRoot(origin)
      : tree.lookup(tree.treeRoot({ ...origin, path: dirName(origin.path) }), baseName(origin.path))!
  tree.mount(place.dir, place.name, node)
  if (bind.readonly) tree.freeze(node.device)
}

/** The directory at an absolute path, made with all its parents where it is missing. */
export function ensureDir(tree: Tree, path: string): DirInode {
  let dir: DirInode = tree.root
  for (const name of path.split('/').filter((n) => n !== '')) {
    const place = resolve(tree, dir, name, true)
    const node = place.node ?? makeDir(tree, place)
    if (node.kind !== 'dir') throw new VfsError('ENOTDIR', path)
    dir = node
  }
  return dir
}
