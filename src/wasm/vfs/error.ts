/** Errors of the file system, by their POSIX names; the host turns them into WASI's numbers. */
export type Errno =
  | 'EACCES'
  | 'EBADF'
  | 'EBUSY'
  | 'EEXIST'
  | 'EFBIG'
  | 'EILSEQ'
  | 'EINVAL'
  | 'EIO'
  | 'EISDIR'
  | 'ELOOP'
  | 'ENAMETOOLONG'
  | 'ENOENT'
  | 'ENOSPC'
  | 'ENOTCAPABLE'
  | 'ENOTDIR'
  | 'ENOTEMPTY'
  | 'ENOTSOCK'
  | 'ENOTSUP'
  | 'EPERM'
  | 'EROFS'
  | 'ESPIPE'
  | 'EXDEV'

/** A file system call that failed as it would in a kernel; the guest sees only `errno`. */
export class VfsError extends Error {
  readonly errno: Errno

  constructor(errno: Errno, path?: string) {
    super(path === undefined ? errno : `${errno}: "${path}"`)
    this.name = 'VfsError'
    this.errno = errno
  }
}
