import { wasi } from '@bjorn3/browser_wasi_shim'
import { VfsError } from '../vfs/error.js'
import type { Inode } from '../vfs/inode.js'
import type { Tree } from '../vfs/tree.js'

const FILETYPES: Record<Inode['kind'], number> = {
  file: wasi.FILETYPE_REGULAR_FILE,
  dir: wasi.FILETYPE_DIRECTORY,
  symlink: wasi.FILETYPE_SYMBOLIC_LINK,
  char: wasi.FILETYPE_CHARACTER_DEVICE,
  block: wasi.FILETYPE_BLOCK_DEVICE,
  fifo: wasi.FILETYPE_UNKNOWN,
}

/** WASI's file type of an inode. */
export function filetypeOf(node: Inode): number {
  return FILETYPES[node.kind]
}

/** Size that stat shows: of a file its content, of a link its target's text. */
function sizeOf(node: Inode): number {
  if (node.kind === 'file') return node.content.sizeBytes
  if (node.kind === 'symlink') return new TextEncoder().encode(node.target).length
  return 0
}

/**
 * Writes a `filestat`; undefined stands for a standard stream. The shim's own writer puts the times two, four and six
 * bytes off.
 *
 * @see WASI preview1, `filestat`
 */
export function writeFilestat(view: DataView, at: number, node: Inode | undefined): void {
  const put = (offset: number, value: bigint) => view.setBigUint64(at + offset, value, true)
  put(0, BigInt(node?.device ?? 0))
  put(8, node?.ino ?? 0n)
  put(16, BigInt(node ? filetypeOf(node) : wasi.FILETYPE_UNKNOWN))
  put(24, BigInt(node?.links ?? 0))
  put(32, BigInt(node ? sizeOf(node) : 0))
  put(40, BigInt.asUintN(64, node?.atime ?? 0n))
  put(48, BigInt.asUintN(64, node?.mtime ?? 0n))
  put(56, BigInt.asUintN(64, node?.ctime ?? 0n))
}

/** Sets times as `fstflags` say. @throws VfsError EINVAL for a time that is both given and "now" */
export function setTimes(tree: Tree, node: Inode, atime: bigint, mtime: bigint, flags: number): void {
  tree.requireWritable(node)
  const choose = (given: number, now: number, value: bigint, old: bigint) => {
    if (flags & given && flags & now) throw new VfsError('EINVAL')
    if (flags & now) return tree.options.now()
    return flags & given ? BigInt.asUintN(64, value) : old
  }
  const times = {
    atime: choose(wasi.FSTFLAGS_ATIM, wasi.FSTFLAGS_ATIM_NOW, atime, node.atime),
    mtime: choose(wasi.FSTFLAGS_MTIM, wasi.FSTFLAGS_MTIM_NOW, mtime, node.mtime),
  }
  if (times.mtime !== node.mtime) node.changed = true
  Object.assign(node, times, { ctime: tree.options.now() })
}
