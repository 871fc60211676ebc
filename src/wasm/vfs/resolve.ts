import { encodeName } from '../../base/bytes.js'
import { VfsError } from './error.js'
import type { DirInode, Inode } from './inode.js'
import type { Tree } from './tree.js'

/** Links followed in one path before it counts as a loop, as in Linux. */
const MAX_LINKS = 40
const MAX_PATH = 4096
const MAX_NAME = 255

/** Where a path leads: a name in a directory, and what is there. */
export interface Place {
  /** The directory that holds the last name. */
  dir: DirInode
  /** The last name; `''` where the path ends in `.`, `..` or is the root, and `node` is the directory itself. */
  name: string
  node: Inode | undefined
  /** True where the path ended in a slash. */
  trailingSlash: boolean
}

/**
 * Walks a path from a directory. Absolute paths and link targets start at the tree's root and `..` stays in it
 * (chroot semantics): no path leads out, because there is nothing outside.
 *
 * @param follow whether a link at the end is followed; one before a slash always is
 * @returns `node` undefined where only the last name is missing
 * @throws VfsError ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG
 */
export function resolve(tree: Tree, start: DirInode, path: string, follow: boolean): Place {
  if (path === '') throw new VfsError('ENOENT', path)
  if (encodeName(path).length > MAX_PATH) throw new VfsError('ENAMETOOLONG', path)
  const walk: Walk = { dir: path.startsWith('/') ? tree.root : start, todo: split(path), links: 0 }
  const trailingSlash = path.endsWith('/')
  for (;;) {
    const name = walk.todo.pop()
    if (name === undefined) return { dir: walk.dir, name: '', node: walk.dir, trailingSlash }
    if (name === '.' || name === '..') {
      if (name === '..') walk.dir = tree.parentOf(walk.dir)
      continue
    }
    if (name.length * 3 > MAX_NAME && encodeName(name).length > MAX_NAME) throw new VfsError('ENAMETOOLONG', name)
    const node = tree.lookup(walk.dir, name)
    const last = walk.todo.length === 0
    if (node?.kind === 'symlink' && (!last || follow || trailingSlash)) followLink(tree, walk, node.target, path)
    else if (last) return { dir: walk.dir, name, node, trailingSlash }
    else if (!node) throw new VfsError('ENOENT', path)
    else if (node.kind !== 'dir') throw new VfsError('ENOTDIR', path)
    else walk.dir = node
  }
}

interface Walk {
  dir: DirInode
  /** Names still to go, last first. */
  todo: string[]
  links: number
}

function split(path: string): string[] {
  return path
    .split('/')
    .filter((name) => name !== '')
    .reverse()
}

function followLink(tree: Tree, walk: Walk, target: string, path: string): void {
  if (++walk.links > MAX_LINKS) throw new VfsError('ELOOP', path)
  if (target === '') throw new VfsError('ENOENT', path)
  if (target.startsWith('/')) walk.dir = tree.root
  walk.todo.push(...split(target))
}

/** What is at a path, links followed; undefined where nothing is. */
export function find(tree: Tree, start: DirInode, path: string): Inode | undefined {
  try {
    return resolve(tree, start, path, true).node
  } catch (err) {
    if (err instanceof VfsError && (err.errno === 'ENOENT' || err.errno === 'ENOTDIR')) return undefined
    throw err
  }
}
