import { wasi } from '@bjorn3/browser_wasi_shim'
import { encodeName } from '../../base/bytes.js'
import { createFile, makeDir, makeLink, makeSymlink, removeDir, rename, touch, unlink } from '../vfs/change.js'
import { VfsError } from '../vfs/error.js'
import type { Inode } from '../vfs/inode.js'
import type { Place } from '../vfs/resolve.js'
import { DIR_RIGHTS, FD_READ, FD_WRITE, FILE_RIGHTS, type HostFd, PATH_FILESTAT_SET_SIZE } from './fd.js'
import type { Calls } from './host.js'
import { DeviceFd, DirFd, FileFd } from './node-fd.js'
import { addFd, dirFdOf, type Process, placeOf } from './process.js'
import { setTimes, writeFilestat } from './stat.js'

const FOLLOW = 1

/** Everything that takes a path. */
export function pathCalls(process: Process): Calls {
  const { tree } = process
  const memory = () => process.memory()
  const place = (fd: number, pointer: number, length: number, flags: number): Place =>
    placeOf(process, fd, memory().path(pointer, length), (flags & FOLLOW) !== 0)
  return {
    path_open: (fd, lookup, path, length, oflags, rights: bigint, inheriting: bigint, flags, out) => {
      const asked = { fd, follow: (lookup & FOLLOW) !== 0, path: memory().path(path, length), oflags }
      const opened = open(process, asked, { base: rights, inheriting })
      opened.flags = flags
      memory().view.setUint32(out, addFd(process, opened), true)
    },
    path_create_directory: (fd, path, length) => {
      makeDir(tree, place(fd, path, length, 0))
    },
    path_symlink: (target, targetLength, fd, path, length) => {
      makeSymlink(tree, place(fd, path, length, 0), memory().path(target, targetLength))
    },
    path_link: (oldFd, flags, oldPath, oldLength, fd, path, length) =>
      makeLink(tree, place(oldFd, oldPath, oldLength, flags), place(fd, path, length, 0)),
    path_unlink_file: (fd, path, length) => unlink(tree, place(fd, path, length, 0)),
    path_remove_directory: (fd, path, length) => removeDir(tree, place(fd, path, length, 0)),
    path_rename: (oldFd, oldPath, oldLength, fd, path, length) =>
      rename(tree, place(oldFd, oldPath, oldLength, 0), place(fd, path, length, 0)),
    path_readlink: (fd, path, length, buffer, size, out) => {
      const { node } = existing(place(fd, path, length, 0))
      if (node.kind !== 'symlink') throw new VfsError('EINVAL')
      const target = encodeName(node.target).subarray(0, size >>> 0)
      memory().slice(buffer, target.length).set(target)
      memory().view.setUint32(out, target.length, true)
    },
    path_filestat_get: (fd, flags, path, length, out) =>
      writeFilestat(memory().view, out, existing(place(fd, path, length, flags)).node),
    path_filestat_set_times: (fd, flags, path, length, atime: bigint, mtime: bigint, times) =>
      setTimes(tree, existing(place(fd, path, length, flags)).node, atime, mtime, times),
  }
}

function existing(place: Place): Place & { node: Inode } {
  const { node } = place
  if (!node) throw new VfsError('ENOENT', place.name)
  if (place.trailingSlash && node.kind !== 'dir') throw new VfsError('ENOTDIR', place.name)
  return { ...place, node }
}

interface OpenRequest {
  fd: number
  follow: boolean
  path: string
  oflags: number
}

function open(process: Process, request: OpenRequest, asked: { base: bigint; inheriting: bigint }): HostFd {
  const { oflags } = request
  const parent = dirFdOf(process, request.fd)
  const create = (oflags & wasi.OFLAGS_CREAT) !== 0
  const exclusive = create && (oflags & wasi.OFLAGS_EXCL) !== 0
  const directory = (oflags & wasi.OFLAGS_DIRECTORY) !== 0
  if (create && directory) throw new VfsError('EINVAL', request.path)
  const place = placeOf(process, request.fd, request.path, request.follow && !exclusive)
  if (place.node && exclusive) throw new VfsError('EEXIST', request.path)
  const node = place.node ?? (create ? createFile(process.tree, place) : existing(place).node)
  if (node.kind === 'symlink') throw new VfsError('ELOOP', request.path)
  if ((directory || place.trailingSlash) && node.kind !== 'dir') throw new VfsError('ENOTDIR', request.path)
  const wanted = {
    base: asked.base & parent.rights.inheriting,
    inheriting: asked.inheriting & parent.rights.inheriting,
  }
  if (oflags & wasi.OFLAGS_TRUNC) truncate(process, parent, node)
  return openNode(process, node, wanted, directory)
}

function truncate(process: Process, parent: DirFd, node: Inode): void {
  if (!(parent.rights.base & PATH_FILESTAT_SET_SIZE)) throw new VfsError('ENOTCAPABLE')
  if (node.kind === 'dir') throw new VfsError('EISDIR')
  if (node.kind !== 'file') return
  process.tree.requireWritable(node)
  node.content.truncate(0)
  touch(process.tree, node, true)
}

function openNode(
  process: Process,
  node: Exclude<Inode, { kind: 'symlink' }>,
  wanted: { base: bigint; inheriting: bigint },
  directory: boolean,
): HostFd {
  if (node.kind === 'dir') {
    if (wanted.base & FD_WRITE && !directory) throw new VfsError('EISDIR')
    return new DirFd(process.tree, node, { base: wanted.base & DIR_RIGHTS, inheriting: wanted.inheriting })
  }
  // A guest that asks for no rights at all wants to look: old toolchains do.
  const base = wanted.base & (FD_READ | FD_WRITE) ? wanted.base : wanted.base | FD_READ
  if (base & FD_WRITE) process.tree.requireWritable(node)
  const rights = { base: base & FILE_RIGHTS, inheriting: 0n }
  if (node.kind === 'file') return new FileFd(process.tree, node, rights)
  if (node.role === undefined) throw new VfsError('ENOTSUP')
  return new DeviceFd(process.tree, node, rights, process.random)
}
