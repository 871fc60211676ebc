import { wasi } from '@bjorn3/browser_wasi_shim'
import { encodeName } from '../../base/bytes.js'
import { VfsError } from '../vfs/error.js'
import type { Calls } from './host.js'
import type { Listed } from './node-fd.js'
import { dirFdOf, fdOf, type Process } from './process.js'
import { writeFilestat } from './stat.js'

/** Descriptors: without the shim's copy of every piece, with times, stable cookies, and errors from our file system. */
export function descriptorCalls(process: Process): Calls {
  const memory = () => process.memory()
  /** Moves pieces until one comes back short, and stores the sum. */
  const each = (pointer: number, count: number, out: number, move: (piece: Uint8Array) => number) => {
    let total = 0
    for (const piece of memory().pieces(pointer, count)) {
      const moved = move(piece)
      total += moved
      if (moved < piece.length) break
    }
    memory().view.setUint32(out, total, true)
  }
  return {
    fd_read: (fd, pieces, count, out) => {
      const file = fdOf(process, fd)
      each(pieces, count, out, (piece) => file.read(piece))
    },
    fd_pread: (fd, pieces, count, offset: bigint, out) => {
      const file = fdOf(process, fd)
      let at = BigInt.asUintN(64, offset)
      each(pieces, count, out, (piece) => {
        const length = file.pread(piece, at)
        at += BigInt(length)
        return length
      })
    },
    fd_write: (fd, pieces, count, out) => {
      const file = fdOf(process, fd)
      each(pieces, count, out, (piece) => file.write(piece))
    },
    fd_pwrite: (fd, pieces, count, offset: bigint, out) => {
      const file = fdOf(process, fd)
      let at = BigInt.asUintN(64, offset)
      each(pieces, count, out, (piece) => {
        const length = file.pwrite(piece, at)
        at += BigInt(length)
        return length
      })
    },
    fd_seek: (fd, offset: bigint, whence, out) => {
      memory().view.setBigUint64(out, fdOf(process, fd).seek(offset, whence), true)
    },
    fd_filestat_get: (fd, out) => writeFilestat(memory().view, out, fdOf(process, fd).inode),
    fd_readdir: (fd, buffer, length, cookie: bigint, out) => {
      const used = putListing(memory().slice(buffer, length), dirFdOf(process, fd).list(cookie), cookie)
      memory().view.setUint32(out, used, true)
    },
    fd_renumber: (from, to) => {
      const fd = fdOf(process, from)
      const old = fdOf(process, to)
      if (from === to) return
      old.fd_close()
      process.fds[to] = fd
      process.fds[from] = undefined
    },
    fd_advise: (fd, offset: bigint, length: bigint, advice) => {
      fdOf(process, fd)
      if (offset < 0n || length < 0n || advice >>> 0 > wasi.ADVICE_NOREUSE) throw new VfsError('EINVAL')
    },
    sock_accept: (fd) => notSocket(process, fd),
    sock_recv: (fd) => notSocket(process, fd),
    sock_send: (fd) => notSocket(process, fd),
    sock_shutdown: (fd) => notSocket(process, fd),
  }
}

/** No descriptor is a socket, because nothing makes one. */
function notSocket(process: Process, fd: number): never {
  fdOf(process, fd)
  throw new VfsError('ENOTSOCK')
}

/**
 * Writes `dirent`s until the buffer is full; the last one may be cut, which tells the guest to ask again.
 *
 * @returns bytes used: the buffer's length where there is more
 */
function putListing(buffer: Uint8Array, entries: readonly Listed[], cookie: bigint): number {
  let used = 0
  let next = cookie
  for (const entry of entries) {
    const bytes = dirent(entry, ++next)
    const part = bytes.subarray(0, buffer.length - used)
    buffer.set(part, used)
    used += part.length
    if (part.length < bytes.length) break
  }
  return used
}

function dirent({ name, ino, filetype }: Listed, next: bigint): Uint8Array {
  const encoded = encodeName(name)
  const bytes = new Uint8Array(24 + encoded.length)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, next, true)
  view.setBigUint64(8, ino, true)
  view.setUint32(16, encoded.length, true)
  view.setUint8(20, filetype)
  bytes.set(encoded, 24)
  return bytes
}
