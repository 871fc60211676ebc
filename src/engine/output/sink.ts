import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoCode, TsboxError } from '../../base/error.js'
import type { Transfer } from '../../build/progress/transfer.js'
import { randomId } from '../../util/random.js'

interface Watch {
  signal: AbortSignal
  moved: Pick<Transfer, 'add'>
}

/** Name beside `path` for what is not complete yet. */
export function tempBeside(path: string): string {
  return `${path}.tsbox-${randomId()}`
}

/**
 * Gives `work` a function that takes an output's bytes in order. A file appears whole, under its name, when it is done;
 * a device or a pipe gets the bytes as they come.
 *
 * @param dest absolute, or `-` for `stdout`
 * @param watch ends it, and hears how many bytes were written
 * @throws TsboxError E_OUTPUT
 */
export async function openSink(
  dest: string,
  stdout: ((chunk: Uint8Array) => void) | undefined,
  watch: Watch,
  work: (write: (chunk: Uint8Array) => void) => Promise<void>,
): Promise<void> {
  if (dest === '-') {
    if (!stdout) throw new TsboxError('E_OUTPUT', 'write output: there is no standard output')
    return work(guarded(watch, stdout))
  }
  const there = outputErrors(dest, () => statSync(dest, { throwIfNoEntry: false }))
  if (there?.isDirectory())
    throw new TsboxError('E_OUTPUT', `write output: destination file is a directory: "${dest}"`, {
      hint: 'name a file: dest=FILE',
    })
  const replaced = !there || there.isFile()
  const path = replaced ? tempBeside(dest) : dest
  const fd = outputErrors(dest, () => {
    if (replaced) mkdirSync(dirname(dest), { recursive: true })
    return openSync(path, replaced ? 'wx' : 'w', 0o644)
  })
  try {
    await work(guarded(watch, (chunk) => outputErrors(dest, () => writeAll(fd, chunk)))).finally(() => closeSync(fd))
    if (replaced) outputErrors(dest, () => renameSync(path, dest))
  } catch (err) {
    if (replaced) rmSync(path, { force: true })
    throw err
  }
}

function guarded({ signal, moved }: Watch, write: (chunk: Uint8Array) => void): (chunk: Uint8Array) => void {
  return (chunk) => {
    signal.throwIfAborted()
    write(chunk)
    moved.add(chunk.length)
  }
}

/** All of a chunk. */
export function writeAll(fd: number, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at)
}

/** Runs `task`; what the system refuses is told with the path. */
export function outputErrors<T>(path: string, task: () => T): T {
  try {
    return task()
  } catch (err) {
    const code = errnoCode(err)
    if (code === undefined || err instanceof TsboxError) throw err
    const full = code === 'ENOSPC' || code === 'EDQUOT'
    throw new TsboxError(full ? 'E_DISK_FULL' : 'E_OUTPUT', `write output: ${full ? 'disk full' : code}: "${path}"`, {
      cause: err,
      hint: code === 'EACCES' || code === 'EROFS' ? 'name a place where you may write' : undefined,
    })
  }
}
