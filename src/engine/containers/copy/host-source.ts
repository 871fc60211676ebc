import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, readSync, type Stats } from 'node:fs'
import { decodeName, sortNames } from '../../../base/bytes.js'
import { errnoCode, TsboxError } from '../../../base/error.js'
import type { Entry, EntryType, EntryWithContent } from '../../../layer/entry.js'
import { diskPath, namesIn } from '../../context/dir-files.js'

const PIECE = 1 << 18

/**
 * A path of this machine and all below it as entries: the path itself is '', the others go from there. No link is
 * followed; sockets are left out.
 *
 * @param owners keeps the ids of this machine; else everything is root's
 * @throws TsboxError E_COPY
 */
export async function* hostEntries(root: string, owners: boolean, path = ''): AsyncGenerator<EntryWithContent> {
  const at = diskPath(root, path)
  const stat = copyErrors(() => lstatSync(at))
  const type = typeOf(stat)
  if (!type) return
  if (type === 'file') {
    yield* fileEntry(at, path, owners)
    return
  }
  const link = type === 'symlink' ? decodeName(copyErrors(() => readlinkSync(at, { encoding: 'buffer' }))) : undefined
  yield { entry: { ...entryOf(stat, path, type, owners), ...(link === undefined ? {} : { link }) } }
  if (type !== 'dir') return
  for (const name of sortNames(copyErrors(() => namesIn(root, path))))
    yield* hostEntries(root, owners, path === '' ? name : `${path}/${name}`)
}

/** Opened before its size is told: what is announced is what is sent. */
function* fileEntry(at: string | Buffer, path: string, owners: boolean): Generator<EntryWithContent> {
  const fd = copyErrors(() => openSync(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK))
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) return
    yield { entry: entryOf(stat, path, 'file', owners), content: contentOf(fd, stat.size, path) }
  } finally {
    closeSync(fd)
  }
}

function* contentOf(fd: number, size: number, path: string): Generator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(PIECE, size))
  for (let left = size; left > 0; ) {
    const n = copyErrors(() => readSync(fd, buffer, 0, Math.min(buffer.length, left), null))
    if (n === 0) throw new TsboxError('E_COPY', `copy: the file became shorter while it was read: "${path}"`)
    yield buffer.subarray(0, n)
    left -= n
  }
}

function typeOf(stat: Stats): EntryType | undefined {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'dir'
  if (stat.isSymbolicLink()) return 'symlink'
  if (stat.isFIFO()) return 'fifo'
  return stat.isCharacterDevice() ? 'char' : stat.isBlockDevice() ? 'block' : undefined
}

function entryOf(stat: Stats, path: string, type: EntryType, owners: boolean): Entry {
  const device = type === 'char' || type === 'block'
  return {
    path,
    type,
    mode: type === 'symlink' ? 0o777 : stat.mode & 0o7777,
    uid: owners ? stat.uid : 0,
    gid: owners ? stat.gid : 0,
    mtime: Math.floor(stat.mtimeMs / 1000),
    size: type === 'file' ? stat.size : 0,
    // As glibc's major() and minor() for the numbers that there are.
    ...(device ? { major: (stat.rdev >> 8) & 0xfff, minor: (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00) } : {}),
  }
}

/** Runs work on this machine's files. @throws TsboxError E_COPY with the system's words */
export function copyErrors<T>(work: () => T): T {
  try {
    return work()
  } catch (err) {
    if (!(err instanceof Error) || errnoCode(err) === undefined) throw err
    const { path, syscall } = err as NodeJS.ErrnoException
    const words = /^\w+: (.*?), /.exec(err.message)?.[1] ?? err.message
    throw new TsboxError('E_COPY', `${syscall ?? 'copy'} ${path ?? ''}: ${words}`, { cause: err })
  }
}
