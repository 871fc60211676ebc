import { cleanPath } from '../../base/path.js'
import type { Clock } from '../clock.js'
import type { FillRandom } from '../random.js'
import { VfsError } from '../vfs/error.js'
import type { DirInode } from '../vfs/inode.js'
import { type Place, resolve } from '../vfs/resolve.js'
import type { Tree } from '../vfs/tree.js'
import type { HostFd } from './fd.js'
import type { GuestMemory } from './memory.js'
import { DirFd } from './node-fd.js'

/** A running guest as the system calls see it. */
export interface Process {
  tree: Tree
  /** Where relative paths start; see {@link placeOf}. */
  cwd: DirInode
  args: readonly Uint8Array[]
  env: readonly Uint8Array[]
  /** By number; the shim's own imports index it too. */
  fds: (HostFd | undefined)[]
  clock: Clock
  random: FillRandom
  /** Only after instantiation. */
  memory(): GuestMemory
}

/** @throws VfsError EBADF */
export function fdOf(process: Process, number: number): HostFd {
  const fd = process.fds[number]
  if (!fd) throw new VfsError('EBADF')
  return fd
}

/** @throws VfsError EBADF, ENOTDIR */
export function dirFdOf(process: Process, number: number): DirFd {
  const fd = fdOf(process, number)
  if (!(fd instanceof DirFd)) throw new VfsError('ENOTDIR')
  return fd
}

/** Puts a descriptor in the lowest free place, as POSIX programs expect. */
export function addFd(process: Process, fd: HostFd): number {
  const free = process.fds.indexOf(undefined)
  const number = free < 0 ? process.fds.length : free
  process.fds[number] = fd
  return number
}

/**
 * Where a path argument leads. preview1 has neither a working directory nor absolute paths: a C library turns both
 * `x` and `/x` into `x` below the only preopened directory, the root. What the root doesn't have is therefore looked
 * for, and made, in the working directory of the step.
 *
 * @param follow whether a link at the end is followed
 * @throws VfsError EPERM for an absolute path or one whose `..` leave the root; as {@link resolve}
 */
export function placeOf(process: Process, number: number, path: string, follow: boolean): Place {
  const fd = dirFdOf(process, number)
  if (path.startsWith('/')) throw new VfsError('EPERM', path)
  const start = fd.inode === process.tree.root ? startAtRoot(process, path) : fd.inode
  if (leaves(process.tree, start, path)) throw new VfsError('EPERM', path)
  return resolve(process.tree, start, path, follow)
}

function startAtRoot({ tree, cwd }: Process, path: string): DirInode {
  const first = cleanPath(path).split('/')[0]!
  if (first === '.' || first === '') return tree.root
  return first === '..' || !tree.lookup(tree.root, first) ? cwd : tree.root
}

/** True for a path with more `..` than there are directories above; by its text, links don't count. */
function leaves(tree: Tree, start: DirInode, path: string): boolean {
  if (!path.includes('..')) return false
  let above = 0
  for (let dir = start; dir !== tree.root; dir = tree.parentOf(dir)) above++
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue
    above += name === '..' ? -1 : 1
    if (above < 0) return true
  }
  return false
}
