import { wasi } from '@bjorn3/browser_wasi_shim'
import { type Errno, VfsError } from '../vfs/error.js'

const NUMBERS: Record<Errno, number> = {
  EACCES: wasi.ERRNO_ACCES,
  EBADF: wasi.ERRNO_BADF,
  EBUSY: wasi.ERRNO_BUSY,
  EEXIST: wasi.ERRNO_EXIST,
  EFBIG: wasi.ERRNO_FBIG,
  EILSEQ: wasi.ERRNO_ILSEQ,
  EINVAL: wasi.ERRNO_INVAL,
  EIO: wasi.ERRNO_IO,
  EISDIR: wasi.ERRNO_ISDIR,
  ELOOP: wasi.ERRNO_LOOP,
  ENAMETOOLONG: wasi.ERRNO_NAMETOOLONG,
  ENOENT: wasi.ERRNO_NOENT,
  ENOSPC: wasi.ERRNO_NOSPC,
  ENOTCAPABLE: wasi.ERRNO_NOTCAPABLE,
  ENOTDIR: wasi.ERRNO_NOTDIR,
  ENOTEMPTY: wasi.ERRNO_NOTEMPTY,
  ENOTSOCK: wasi.ERRNO_NOTSOCK,
  ENOTSUP: wasi.ERRNO_NOTSUP,
  EPERM: wasi.ERRNO_PERM,
  EROFS: wasi.ERRNO_ROFS,
  ESPIPE: wasi.ERRNO_SPIPE,
  EXDEV: wasi.ERRNO_XDEV,
}

/** Runs a call; what the file system throws becomes its WASI number, 0 is success. Anything else is a bug and passes. */
export function errnoOf(call: () => void): number {
  try {
    call()
    return wasi.ERRNO_SUCCESS
  } catch (err) {
    if (err instanceof VfsError) return NUMBERS[err.errno]
    throw err
  }
}
