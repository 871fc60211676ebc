import { Fd, wasi } from '@bjorn3/browser_wasi_shim'
import { VfsError } from '../vfs/error.js'
import type { Inode } from '../vfs/inode.js'
import { errnoOf } from './errno.js'

/** What may be done with a descriptor: WASI's rights as bits. */
export interface Rights {
  base: bigint
  inheriting: bigint
}

const right = (bit: number) => BigInt(bit)
export const FD_READ = right(wasi.RIGHTS_FD_READ)
export const FD_WRITE = right(wasi.RIGHTS_FD_WRITE)
export const PATH_FILESTAT_SET_SIZE = right(wasi.RIGHTS_PATH_FILESTAT_SET_SIZE)

/** Rights of a file: everything that begins with `fd_`, and polling. */
export const FILE_RIGHTS = right(
  wasi.RIGHTS_FD_DATASYNC |
    wasi.RIGHTS_FD_READ |
    wasi.RIGHTS_FD_SEEK |
    wasi.RIGHTS_FD_FDSTAT_SET_FLAGS |
    wasi.RIGHTS_FD_SYNC |
    wasi.RIGHTS_FD_TELL |
    wasi.RIGHTS_FD_WRITE |
    wasi.RIGHTS_FD_ADVISE |
    wasi.RIGHTS_FD_ALLOCATE |
    wasi.RIGHTS_FD_FILESTAT_GET |
    wasi.RIGHTS_FD_FILESTAT_SET_SIZE |
    wasi.RIGHTS_FD_FILESTAT_SET_TIMES |
    wasi.RIGHTS_POLL_FD_READWRITE,
)

/** Rights of a directory: paths, and what a directory itself can do. */
export const DIR_RIGHTS = right(
  wasi.RIGHTS_FD_FDSTAT_SET_FLAGS |
    wasi.RIGHTS_FD_SYNC |
    wasi.RIGHTS_FD_ADVISE |
    wasi.RIGHTS_PATH_CREATE_DIRECTORY |
    wasi.RIGHTS_PATH_CREATE_FILE |
    wasi.RIGHTS_PATH_LINK_SOURCE |
    wasi.RIGHTS_PATH_LINK_TARGET |
    wasi.RIGHTS_PATH_OPEN |
    wasi.RIGHTS_FD_READDIR |
    wasi.RIGHTS_PATH_READLINK |
    wasi.RIGHTS_PATH_RENAME_SOURCE |
    wasi.RIGHTS_PATH_RENAME_TARGET |
    wasi.RIGHTS_PATH_FILESTAT_GET |
    wasi.RIGHTS_PATH_FILESTAT_SET_SIZE |
    wasi.RIGHTS_PATH_FILESTAT_SET_TIMES |
    wasi.RIGHTS_FD_FILESTAT_GET |
    wasi.RIGHTS_FD_FILESTAT_SET_TIMES |
    wasi.RIGHTS_PATH_SYMLINK |
    wasi.RIGHTS_PATH_REMOVE_DIRECTORY |
    wasi.RIGHTS_PATH_UNLINK_FILE,
)

/**
 * A descriptor of ours below the shim's table. The methods without prefix throw VfsError and are what our imports
 * call; the `fd_` ones are what the shim's own imports call.
 */
export abstract class HostFd extends Fd {
  /** A `FILETYPE_` constant. */
  abstract readonly filetype: number
  readonly rights: Rights
  /** `FDFLAGS_` bits. */
  flags = 0

  constructor(rights: Rights) {
    super()
    this.rights = rights
  }

  /** The inode it is open on; undefined for the standard streams. */
  get inode(): Inode | undefined {
    return undefined
  }

  /** Reads at the position and moves it; 0 at the end. */
  read(_into: Uint8Array): number {
    throw new VfsError('EBADF')
  }

  pread(_into: Uint8Array, _offset: bigint): number {
    throw new VfsError('ESPIPE')
  }

  /** Writes at the position and moves it; `data` may be reused afterwards. @returns how much was taken */
  write(_data: Uint8Array): number {
    throw new VfsError('EBADF')
  }

  pwrite(_data: Uint8Array, _offset: bigint): number {
    throw new VfsError('ESPIPE')
  }

  /** @returns the new position */
  seek(_offset: bigint, _whence: number): bigint {
    throw new VfsError('ESPIPE')
  }

  override fd_fdstat_get() {
    const fdstat = new wasi.Fdstat(this.filetype, this.flags)
    fdstat.fs_rights_base = this.rights.base
    fdstat.fs_rights_inherited = this.rights.inheriting
    return { ret: wasi.ERRNO_SUCCESS, fdstat }
  }

  override fd_fdstat_set_flags(flags: number): number {
    this.flags = flags
    return wasi.ERRNO_SUCCESS
  }

  /** Rights are only ever given up. */
  override fd_fdstat_set_rights(base: bigint, inheriting: bigint): number {
    const wanted = { base: BigInt.asUintN(64, base), inheriting: BigInt.asUintN(64, inheriting) }
    if (wanted.base & ~this.rights.base || wanted.inheriting & ~this.rights.inheriting) return wasi.ERRNO_NOTCAPABLE
    Object.assign(this.rights, wanted)
    return wasi.ERRNO_SUCCESS
  }

  override fd_tell() {
    let offset = 0n
    const ret = errnoOf(() => {
      offset = this.seek(0n, wasi.WHENCE_CUR)
    })
    return { ret, offset }
  }
}
