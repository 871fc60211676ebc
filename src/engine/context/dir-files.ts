import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs'
import { decodeName, encodeName } from '../../base/bytes.js'
import { errnoCode, TsboxError } from '../../base/error.js'
import type { Entry, EntryType } from '../../layer/entry.js'
import type { FileStamp } from '../../store/stamps.js'

/** A file of a folder as it was when it was looked at. */
export interface ScannedFile {
  entry: Entry
  stamp: FileStamp
}

/** Path on disk of a name below `root`; bytes where the name is not UTF-8. */
export function diskPath(root: string, path: string): string | Buffer {
  const joined = path === '' ? root : `${root}/${path}`
  return /[\udc80-\udcff]/.test(path) ? Buffer.from(encodeName(joined)) : joined
}

/**
 * Looks at one path without following it. Owners are root's: a context has no others. Sockets and what can't be copied
 * count as absent.
 */
export function scanFile(root: string, path: string): ScannedFile | undefined {
  const at = diskPath(root, path)
  let stat: Stats
  try {
    stat = lstatSync(at)
  } catch (err) {
    const code = errnoCode(err)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined
    throw unreadable(path, err)
  }
  const type = entryType(stat)
  if (!type) return undefined
  const entry: Entry = {
    path,
    type,
    mode: type === 'symlink' ? 0o777 : stat.mode & 0o7777,
    uid: 0,
    gid: 0,
    mtime: Math.floor(stat.mtimeMs / 1000),
    size: type === 'file' ? stat.size : 0,
  }
  if (type === 'symlink') entry.link = decodeName(readlinkSync(at, { encoding: 'buffer' }))
  return { entry, stamp: stat }
}

function entryType({ mode }: Stats): EntryType | undefined {
  switch (mode & constants.S_IFMT) {
    case constants.S_IFREG:
      return 'file'
    case constants.S_IFDIR:
      return 'dir'
    case constants.S_IFLNK:
      return 'symlink'
    case constants.S_IFIFO:
      return 'fifo'
    default:
      return undefined
  }
}

/** Names in a folder, any bytes, unsorted. */
export function namesIn(root: string, path: string): string[] {
  const at = diskPath(root, path)
  try {
    const names = readdirSync(at)
    // A replacement character means that a name was no UTF-8: read the bytes.
    if (!names.some((n) => n.includes('\ufffd'))) return names
    return readdirSync(at, { encoding: 'buffer' }).map(decodeName)
  } catch (err) {
    if (errnoCode(err) === 'ENOENT' || errnoCode(err) === 'ENOTDIR') return []
    throw unreadable(path, err)
  }
}

/**
 * Reads a file that was scanned before, in pieces that are only valid until the next one is asked for: each fills the
 * buffer but for the last.
 *
 * @throws TsboxError E_FILE_CHANGED when it is not as it was scanned, E_CONTEXT_UNREADABLE
 */
export function* readScanned(root: string, file: ScannedFile, buffer: Uint8Array): Generator<Uint8Array> {
  const { path } = file.entry
  const fd = openFile(root, path)
  try {
    if (!sameStamp(fstatSync(fd), file.stamp)) throw changed(path)
    let left = file.stamp.size
    while (left > 0) {
      const piece = Math.min(left, buffer.length)
      for (let at = 0; at < piece; ) {
        const n = readSync(fd, buffer, at, piece - at, null)
        if (n === 0) throw changed(path)
        at += n
      }
      yield buffer.subarray(0, piece)
      left -= piece
    }
  } finally {
    closeSync(fd)
  }
}

function openFile(root: string, path: string): number {
  try {
    return openSync(diskPath(root, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (err) {
    if (errnoCode(err) === 'ENOENT' || errnoCode(err) === 'ELOOP') throw changed(path)
    throw unreadable(path, err)
  }
}

function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeMs === b.mtimeMs
}

function changed(path: string): TsboxError {
  return new TsboxError('E_FILE_CHANGED', `read build context: the file changed while it was being read "${path}"`, {
    hint: 'build again once nothing writes into the context, or exclude the file in .dockerignore',
  })
}

function unreadable(path: string, cause: unknown): TsboxError {
  return new TsboxError('E_CONTEXT_UNREADABLE', `read build context: ${errnoCode(cause) ?? 'failed'} "${path}"`, {
    cause,
    hint: 'make it readable, or exclude it in .dockerignore',
  })
}
