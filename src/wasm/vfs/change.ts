import { VfsError } from './error.js'
import type { DirInode, FileInode, Inode, SymlinkInode } from './inode.js'
import type { Place } from './resolve.js'
import type { Tree } from './tree.js'

/** Records that the content or the metadata of an inode changed now; `data` also stamps the modification time. */
export function touch(tree: Tree, node: Inode, data: boolean): void {
  const now = tree.options.now()
  if (data) {
    node.mtime = now
    // As the kernel does: who changes a program takes its powers away.
    if (node.xattrs) node.xattrs = node.xattrs.filter(([name]) => name !== 'security.capability')
  }
  node.ctime = now
  node.changed = true
}

function requireFree(tree: Tree, place: Place): void {
  if (place.node) throw new VfsError('EEXIST', place.name)
  requireOpen(tree, place.dir)
}

/** A directory that was removed but is still held by a descriptor takes no new names. */
function requireOpen(tree: Tree, dir: DirInode): void {
  if (dir.links === 0) throw new VfsError('ENOENT')
  tree.requireWritable(dir)
}

function attach(tree: Tree, place: Place, node: Inode): void {
  place.dir.children.set(place.name, node)
  if (node.kind !== 'dir') node.links++
  touch(tree, place.dir, true)
}

function detach(tree: Tree, place: Place): void {
  // Always null, also where nothing is below: the diff asks the lower tree before it writes a whiteout.
  place.dir.children.set(place.name, null)
  touch(tree, place.dir, true)
}

/** A name that may be taken away. */
function requireLoose(tree: Tree, place: Place): void {
  if (place.name === '' || tree.isMount(place.dir, place.name)) throw new VfsError('EBUSY', place.name)
  tree.requireWritable(place.dir)
}

/** @throws VfsError EEXIST, ENOENT, ENOTDIR for a path that ends in a slash */
export function createFile(tree: Tree, place: Place): FileInode {
  requireFree(tree, place)
  if (place.trailingSlash) throw new VfsError('EISDIR', place.name)
  const file = tree.makeFile(place.dir, 0o644)
  attach(tree, place, file)
  return file
}

/** @throws VfsError EEXIST, ENOENT */
export function makeDir(tree: Tree, place: Place): DirInode {
  requireFree(tree, place)
  const dir = tree.makeDir(place.dir, 0o755)
  attach(tree, place, dir)
  return dir
}

/** @throws VfsError EEXIST, ENOENT */
export function makeSymlink(tree: Tree, place: Place, target: string): SymlinkInode {
  requireFree(tree, place)
  if (place.trailingSlash || target === '') throw new VfsError('ENOENT', place.name)
  const link = tree.makeSymlink(place.dir, target)
  attach(tree, place, link)
  return link
}

/** A second name for a file. @throws VfsError EPERM for a directory, EXDEV, EEXIST, ENOENT */
export function makeLink(tree: Tree, from: Place, to: Place): void {
  const node = from.node
  if (!node) throw new VfsError('ENOENT', from.name)
  if (from.trailingSlash && node.kind !== 'dir') throw new VfsError('ENOTDIR', from.name)
  if (node.kind === 'dir') throw new VfsError('EPERM', from.name)
  requireFree(tree, to)
  if (to.trailingSlash) throw new VfsError('ENOENT', to.name)
  if (node.device !== to.dir.device) throw new VfsError('EXDEV', to.name)
  attach(tree, to, node)
  touch(tree, node, false)
}

/** Removes a name of anything but a directory. @throws VfsError EISDIR, ENOENT, ENOTDIR, EBUSY */
export function unlink(tree: Tree, place: Place): void {
  if (!place.node) throw new VfsError('ENOENT', place.name)
  if (place.node.kind === 'dir') throw new VfsError('EISDIR', place.name)
  if (place.trailingSlash) throw new VfsError('ENOTDIR', place.name)
  requireLoose(tree, place)
  detach(tree, place)
  release(tree, place.node)
}

function release(tree: Tree, node: Inode): void {
  node.links--
  touch(tree, node, false)
  if (node.kind === 'file') freeIfUnused(node)
  if (node.kind === 'dir') node.parent = undefined
}

/** Gives back the memory of a file that nothing reaches any more. */
export function freeIfUnused(file: FileInode): void {
  if (file.links === 0 && file.open === 0) file.content.free()
}

/** @throws VfsError ENOTDIR, ENOTEMPTY, ENOENT, EBUSY; EINVAL for a path that ends in `.` */
export function removeDir(tree: Tree, place: Place): void {
  if (!place.node) throw new VfsError('ENOENT', place.name)
  if (place.node.kind !== 'dir') throw new VfsError('ENOTDIR', place.name)
  requireLoose(tree, place)
  if (tree.names(place.node).length > 0) throw new VfsError('ENOTEMPTY', place.name)
  detach(tree, place)
  release(tree, place.node)
}

/** Moves a name; what is at the new one is replaced as rename(2) does. */
export function rename(tree: Tree, from: Place, to: Place): void {
  const node = from.node
  if (!node) throw new VfsError('ENOENT', from.name)
  requireLoose(tree, from)
  requireLoose(tree, to)
  requireOpen(tree, to.dir)
  if (node.device !== to.dir.device) throw new VfsError('EXDEV', to.name)
  if ((from.trailingSlash || to.trailingSlash) && node.kind !== 'dir') throw new VfsError('ENOTDIR', from.name)
  if (to.node === node) return
  if (node.kind === 'dir') requireOutside(tree, node, to.dir)
  if (to.node) replace(tree, node, to)
  detach(tree, from)
  to.dir.children.set(to.name, node)
  if (node.kind === 'dir') node.parent = to.dir
  touch(tree, to.dir, true)
  touch(tree, node, false)
}

function requireOutside(tree: Tree, node: DirInode, target: DirInode): void {
  for (let dir = target; ; dir = tree.parentOf(dir)) {
    if (dir === node) throw new VfsError('EINVAL')
    if (dir === tree.root) return
  }
}

function replace(tree: Tree, node: Inode, to: Place): void {
  const old = to.node!
  if (old.kind === 'dir') {
    if (node.kind !== 'dir') throw new VfsError('EISDIR', to.name)
    if (tree.names(old).length > 0) throw new VfsError('ENOTEMPTY', to.name)
  } else if (node.kind === 'dir') throw new VfsError('ENOTDIR', to.name)
  release(tree, old)
}
