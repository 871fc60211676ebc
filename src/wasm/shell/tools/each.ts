import type { HostFd } from '../../host/fd.js'
import { VfsError } from '../../vfs/error.js'
import type { ToolContext } from '../command.js'
import { errorWords } from '../files.js'

/**
 * Does something with each operand; one that fails is told and the others are done.
 *
 * @param verb for the message: `cannot remove`
 * @returns 1 where any failed
 */
export function each(
  context: ToolContext,
  operands: readonly string[],
  verb: string,
  work: (path: string) => void,
): number {
  let status = 0
  for (const path of operands) {
    try {
      work(path)
    } catch (err) {
      if (!(err instanceof VfsError)) throw err
      context.warn(`${verb} '${path}': ${errorWords(err)}`)
      status = 1
    }
  }
  return status
}

/**
 * Reads each input, standard input for `-` and where none is named.
 *
 * @returns 1 where one could not be opened
 */
export function eachInput(
  context: ToolContext,
  names: readonly string[],
  work: (fd: HostFd, name: string) => void,
  failed = 1,
): number {
  let status = 0
  for (const name of names.length > 0 ? names : ['-']) {
    if (name === '-') {
      work(context.stdin, name)
      continue
    }
    let fd: HostFd
    try {
      fd = context.files.open(name)
      if (fd.inode?.kind === 'dir') throw new VfsError('EISDIR', name)
    } catch (err) {
      if (!(err instanceof VfsError)) throw err
      context.warn(`${name}: ${errorWords(err)}`)
      status = failed
      continue
    }
    try {
      work(fd, name)
    } finally {
      fd.fd_close()
    }
  }
  return status
}

/** Reads to the end in pieces, each valid until the next. @param piece false ends it early */
export function pump(fd: HostFd, piece: (data: Uint8Array) => unknown): void {
  const buffer = new Uint8Array(1 << 16)
  for (;;) {
    const got = fd.read(buffer)
    if (got === 0 || piece(buffer.subarray(0, got)) === false) return
  }
}
