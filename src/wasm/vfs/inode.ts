import type { Entry, Xattr } from '../../layer/entry.js'
import type { FileContent } from './content.js'
import type { LowerDir } from './lower.js'

/** A place in a lower tree. */
export interface Origin {
  readonly lower: LowerDir
  readonly path: string
}

interface Common {
  readonly ino: bigint
  /** Number of the mount that it lives on: links and renames don't cross. */
  readonly device: number
  /** 0–0o7777. */
  mode: number
  uid: number
  gid: number
  /** Nanoseconds since 1970. */
  atime: bigint
  mtime: bigint
  ctime: bigint
  /** Names that lead here; a directory has 1. */
  links: number
  xattrs: readonly Xattr[] | undefined
  /** Where it was found below; undefined for what was made above. */
  readonly origin: Origin | undefined
  /** True once anything that a layer records differs from the origin. */
  changed: boolean
}

/** A regular file. */
export interface FileInode extends Common {
  readonly kind: 'file'
  readonly content: FileContent
  /** Descriptors that hold it; its memory is freed when neither a name nor a descriptor is left. */
  open: number
  /** Somebody who can give modes made it or gave it one: what it looks like does not make it executable. */
  exactMode?: boolean
}

/** A directory; names missing from `children` are looked up in `origin`, null ones are removed. */
export interface DirInode extends Common {
  readonly kind: 'dir'
  /** Undefined once removed; the root is its own parent. */
  parent: DirInode | undefined
  readonly children: Map<string, Inode | null>
}

/** A symbolic link. */
export interface SymlinkInode extends Common {
  readonly kind: 'symlink'
  readonly target: string
}

/** A device or fifo as found in a layer, or one of the few that the host plays (`role`). */
export interface SpecialInode extends Common {
  readonly kind: 'char' | 'block' | 'fifo'
  readonly major: number
  readonly minor: number
  readonly role: DeviceRole | undefined
}

/** What reading and writing a device does. */
export type DeviceRole = 'null' | 'zero' | 'full' | 'random'

export type Inode = FileInode | DirInode | SymlinkInode | SpecialInode

/** What an entry gives to every kind of inode. */
export function metadataOf(
  entry: Entry,
): Pick<Common, 'mode' | 'uid' | 'gid' | 'atime' | 'mtime' | 'ctime' | 'xattrs'> {
  const time = BigInt(entry.mtime) * 1_000_000_000n
  return {
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    atime: time,
    mtime: time,
    ctime: time,
    xattrs: entry.xattrs,
  }
}
