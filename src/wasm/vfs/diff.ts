import { compareNames } from '../../base/bytes.js'
import type { Entry, EntryWithContent } from '../../layer/entry.js'
import type { DirInode, FileInode, Inode } from './inode.js'
import type { Tree } from './tree.js'

/** An entry of a diff; the content's pieces belong to the caller. */
export interface DiffEntry extends EntryWithContent {
  content?: Iterable<Uint8Array> | undefined
}

/**
 * What was changed, as a layer above the tree's lower one: in the order of layer/entry.ts, parents of what changed
 * included, whiteouts only for names that exist below, mounts left out. Lazy: the tree must not change meanwhile.
 */
export function* diff(tree: Tree): Generator<DiffEntry> {
  yield* walk({ tree, firstNames: new Map() }, tree.root, '', true)
}

interface State {
  tree: Tree
  /** Where a file with several names was written first. */
  firstNames: Map<FileInode, string>
}

/**
 * @param merged true for a directory that shows the lower one at the same path, so that only what was touched is new;
 * false for one that hides it, all of whose content is written
 */
function* walk(state: State, dir: DirInode, path: string, merged: boolean): Generator<DiffEntry> {
  const names = merged ? [...dir.children.keys()].sort(compareNames) : state.tree.names(dir)
  for (const name of names) {
    if (state.tree.isMount(dir, name)) continue
    const node = merged ? dir.children.get(name) : state.tree.lookup(dir, name)
    const childPath = path === '' ? name : `${path}/${name}`
    if (node?.kind === 'dir') yield* walkDir(state, node, childPath)
    else if (node) yield* leaf(state, node, childPath)
    else if (merged && lowerAt(state.tree, childPath)) yield { entry: marker('whiteout', childPath) }
  }
}

function lowerAt(tree: Tree, path: string): Entry | undefined {
  return tree.options.lower.lstat(path)
}

function isUnmoved(tree: Tree, node: Inode, path: string): boolean {
  return node.device === tree.root.device && node.origin?.path === path
}

function* walkDir(state: State, dir: DirInode, path: string): Generator<DiffEntry> {
  const merged = isUnmoved(state.tree, dir, path)
  const inside = walk(state, dir, path, merged)
  const first = inside.next()
  if (merged && !dir.changed && first.done) return
  yield { entry: entryOf(dir, path, 'dir') }
  if (!merged && lowerAt(state.tree, path)?.type === 'dir') yield { entry: marker('opaque', path) }
  if (first.done) return
  yield first.value
  yield* inside
}

function* leaf(state: State, node: Exclude<Inode, DirInode>, path: string): Generator<DiffEntry> {
  if (!node.changed && isUnmoved(state.tree, node, path)) return
  if (node.kind === 'symlink') yield { entry: { ...entryOf(node, path, 'symlink'), link: node.target } }
  else if (node.kind === 'file') yield fileEntry(state, node, path)
  else yield { entry: { ...entryOf(node, path, node.kind), major: node.major, minor: node.minor } }
}

function fileEntry(state: State, file: FileInode, path: string): DiffEntry {
  const link = state.firstNames.get(file)
  if (link !== undefined) return { entry: { ...entryOf(file, path, 'hardlink'), xattrs: undefined, link } }
  if (file.links > 1) state.firstNames.set(file, path)
  const mode = !file.origin && !file.exactMode && isProgram(file) ? file.mode | 0o111 : file.mode
  const entry = { ...entryOf(file, path, 'file'), mode, size: file.content.sizeBytes }
  return { entry, content: file.content.chunks() }
}

/** preview1 has no chmod, so what a compiler or a script writer makes is executable by its look: `#!`, ELF, wasm. */
function isProgram(file: FileInode): boolean {
  const head = new Uint8Array(4)
  file.content.read(head, 0)
  const [a, b, c, d] = head
  return (a === 0x23 && b === 0x21) || (b === 0x45 && c === 0x4c && d === 0x46 && a === 0x7f) || isWasm(a, b, c, d)
}

function isWasm(a?: number, b?: number, c?: number, d?: number): boolean {
  return a === 0 && b === 0x61 && c === 0x73 && d === 0x6d
}

function entryOf(node: Inode, path: string, type: Entry['type']): Entry {
  const { mode, uid, gid, xattrs } = node
  return { path, type, mode, uid, gid, mtime: wholeSeconds(node.mtime), size: 0, ...(xattrs ? { xattrs } : {}) }
}

function marker(type: 'whiteout' | 'opaque', path: string): Entry {
  return { path, type, mode: 0, uid: 0, gid: 0, mtime: 0, size: 0 }
}

/** Nanoseconds to seconds, rounded down also before 1970. */
function wholeSeconds(ns: bigint): number {
  const seconds = ns / 1_000_000_000n
  return Number(seconds * 1_000_000_000n > ns ? seconds - 1n : seconds)
}
