import { cleanPath } from '../../base/path.js'
import type { HostFd } from '../host/fd.js'
import { FILE_RIGHTS } from '../host/fd.js'
import { DeviceFd, DirFd, FileFd } from '../host/node-fd.js'
import type { FillRandom } from '../random.js'
import { createFile, makeDir, touch } from '../vfs/change.js'
import { VfsError } from '../vfs/error.js'
import type { DirInode, FileInode, Inode } from '../vfs/inode.js'
import { type Place, resolve } from '../vfs/resolve.js'
import type { Tree } from '../vfs/tree.js'
import { fromName, toName } from './bytes.js'

/** How a file is opened. */
export interface OpenMode {
  create?: boolean
  truncate?: boolean
  append?: boolean
  /** Fails where it exists. */
  exclusive?: boolean
}

const APPEND = 1

/**
 * The file system as programs of a shell use it: paths are the shell's text, relative ones start in a working directory
 * that each (sub)shell has for itself. Everything throws VfsError.
 */
export class Files {
  readonly tree: Tree
  readonly #random: FillRandom
  /** Absolute, without links followed: what `pwd` prints. */
  cwd: string
  dir: DirInode
  umask = 0o022

  constructor(tree: Tree, dir: DirInode, cwd: string, random: FillRandom) {
    this.tree = tree
    this.dir = dir
    this.cwd = cwd
    this.#random = random
  }

  /** A working directory and umask of its own on the same tree. */
  fork(): Files {
    const copy = new Files(this.tree, this.dir, this.cwd, this.#random)
    copy.umask = this.umask
    return copy
  }

  /** @throws VfsError as {@link resolve} */
  place(path: string, follow = true): Place {
    return resolve(this.tree, this.dir, toName(path), follow)
  }

  /** What is at a path; undefined where nothing is, or the way leads through no folder. */
  find(path: string, follow = true): Inode | undefined {
    if (path === '') return undefined
    try {
      const place = this.place(path, follow)
      if (place.trailingSlash && place.node && place.node.kind !== 'dir') return undefined
      return place.node
    } catch (err) {
      if (err instanceof VfsError && ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(err.errno))
        return undefined
      throw err
    }
  }

  /** @throws VfsError ENOENT */
  stat(path: string, follow = true): Inode {
    const { node, trailingSlash } = this.place(path, follow)
    if (!node) throw new VfsError('ENOENT', path)
    if (trailingSlash && node.kind !== 'dir') throw new VfsError('ENOTDIR', path)
    return node
  }

  isDir(path: string): boolean {
    return this.find(path)?.kind === 'dir'
  }

  /** Names in a directory, in byte order. */
  list(path: string): string[] {
    const node = this.stat(path)
    if (node.kind !== 'dir') throw new VfsError('ENOTDIR', path)
    return this.tree.names(node).map(fromName)
  }

  /** All of a file. @throws VfsError ENOENT, EISDIR */
  read(path: string): Uint8Array {
    const fd = this.open(path)
    try {
      return readAll(fd)
    } finally {
      fd.fd_close()
    }
  }

  /** Writes all of a file anew. */
  write(path: string, data: Uint8Array, mode?: number): FileInode {
    const fd = this.open(path, { create: true, truncate: true }, mode)
    try {
      if (data.length > 0) fd.write(data)
    } finally {
      fd.fd_close()
    }
    return this.stat(path) as FileInode
  }

  /** Opens for reading, or with a mode for reading and writing. */
  open(path: string, mode?: OpenMode, permissions = 0o666): HostFd {
    const place = this.place(path)
    if (mode?.exclusive && place.node) throw new VfsError('EEXIST', path)
    if (!place.node && !mode?.create) throw new VfsError('ENOENT', path)
    const node = place.node ?? this.#create(place, permissions)
    if (place.trailingSlash && node.kind !== 'dir') throw new VfsError('ENOTDIR', path)
    const rights = { base: FILE_RIGHTS, inheriting: 0n }
    if (node.kind === 'dir') {
      if (mode) throw new VfsError('EISDIR', path)
      return new DirFd(this.tree, node, rights)
    }
    if (node.kind === 'symlink') throw new VfsError('ELOOP', path)
    if (node.kind !== 'file') {
      if (node.role === undefined) throw new VfsError('EACCES', path)
      return new DeviceFd(this.tree, node, rights, this.#random)
    }
    if (mode) this.tree.requireWritable(node)
    if (mode?.truncate && place.node) {
      node.content.truncate(0)
      touch(this.tree, node, true)
    }
    const fd = new FileFd(this.tree, node, rights)
    if (mode?.append) fd.flags = APPEND
    return fd
  }

  #create(place: Place, permissions: number): FileInode {
    const file = createFile(this.tree, place)
    file.mode = permissions & ~this.umask
    file.exactMode = true
    return file
  }

  /** @throws VfsError EEXIST, ENOENT */
  makeDir(path: string, permissions = 0o777): DirInode {
    const place = this.place(path, false)
    const dir = makeDir(this.tree, place)
    dir.mode = permissions & ~this.umask
    return dir
  }

  /** Sets permission bits, 0–0o7777. */
  chmod(node: Inode, mode: number): void {
    this.tree.requireWritable(node)
    node.mode = mode & 0o7777
    if (node.kind === 'file') node.exactMode = true
    touch(this.tree, node, false)
  }

  chown(node: Inode, uid: number | undefined, gid: number | undefined): void {
    this.tree.requireWritable(node)
    if (uid !== undefined) node.uid = uid
    if (gid !== undefined) node.gid = gid
    // As the kernel does for whoever changes the owner of a program.
    if (node.kind === 'file') {
      node.mode &= node.mode & 0o010 ? ~0o6000 : ~0o4000
      node.exactMode = true
    }
    touch(this.tree, node, false)
  }

  /** @param mtime nanoseconds since 1970 */
  setTimes(node: Inode, atime: bigint | undefined, mtime: bigint | undefined): void {
    this.tree.requireWritable(node)
    touch(this.tree, node, false)
    if (atime !== undefined) node.atime = atime
    if (mtime !== undefined) node.mtime = mtime
  }

  /** Absolute path with every link followed. @throws VfsError */
  real(path: string, options: { missingLast?: boolean } = {}): string {
    const { dir, name, node } = this.place(path)
    if (!node && !options.missingLast) throw new VfsError('ENOENT', path)
    const parent = this.pathOf(dir)
    if (name === '') return parent
    return parent === '/' ? `/${fromName(name)}` : `${parent}/${fromName(name)}`
  }

  /** Absolute path of a directory. */
  pathOf(dir: DirInode): string {
    const names: string[] = []
    for (let at = dir; at !== this.tree.root; ) {
      const parent = this.tree.parentOf(at)
      const name = this.tree.names(parent).find((n) => this.tree.lookup(parent, n) === at)
      if (name === undefined) throw new VfsError('ENOENT')
      names.unshift(fromName(name))
      at = parent
    }
    return `/${names.join('/')}`
  }

  /** Changes the working directory. @param logical as `cd -L`: `..` takes the last name away, links or not */
  chdir(path: string, logical: boolean): void {
    const wanted = path.startsWith('/') ? path : `${this.cwd}/${path}`
    const target = logical ? cleanPath(wanted) : path
    const node = this.stat(target)
    if (node.kind !== 'dir') throw new VfsError('ENOTDIR', path)
    this.dir = node
    this.cwd = logical ? target : this.pathOf(node)
  }
}

/** What is left to read. */
export function readAll(fd: HostFd): Uint8Array {
  const chunks: Uint8Array[] = []
  let size = 0
  for (let want = 4096; ; want = Math.min(want * 2, 1 << 20)) {
    const chunk = new Uint8Array(want)
    const got = fd.read(chunk)
    if (got === 0) break
    chunks.push(chunk.subarray(0, got))
    size += got
  }
  const out = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EBADF: 'Bad file descriptor',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  ENAMETOOLONG: 'File name too long',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENOTEMPTY: 'Directory not empty',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  EXDEV: 'Invalid cross-device link',
}

/** What strerror(3) says. */
export function errorWords(err: VfsError): string {
  return WORDS[err.errno] ?? err.errno
}
