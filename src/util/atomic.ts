import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoCode } from '../base/error.js'
import { makeDirs } from './make-dir.js'

/**
 * Runs `task`; where a folder is missing, makes `dir` and runs it again. Folders of the store come into being when
 * something is put into them and go when the last thing has gone, so a writer must expect that another process just
 * removed one.
 */
export function withDir<T>(dir: string, task: () => T): T {
  for (let tries = 0; ; tries++) {
    try {
      return task()
    } catch (err) {
      if (errnoCode(err) !== 'ENOENT' || tries === 8) throw err
      makeDirs(dir, 0o700)
    }
  }
}

/** How to replace a file. */
export interface WriteOptions {
  /** A name of one's own on the same file system, written first. */
  temp: string
  /** Survive a crash of the machine, at the price of waiting for the disk. */
  sync?: boolean | undefined
  mode?: number | undefined
}

/** Replaces a file by rename: readers see the old content or the new, never a part. Folders are made where missing. */
export function writeFileAtomic(path: string, data: Uint8Array | string, options: WriteOptions): void {
  const { temp } = options
  const fd = withDir(dirname(temp), () => openSync(temp, 'w', options.mode ?? 0o600))
  try {
    writeFileSync(fd, data)
    if (options.sync) fsyncSync(fd)
    closeSync(fd)
  } catch (err) {
    closeQuietly(fd)
    rmSync(temp, { force: true })
    throw err
  }
  moveInto(temp, path)
}

/** Renames, making the target's folder where missing. */
export function moveInto(from: string, to: string): void {
  withDir(dirname(to), () => renameSync(from, to))
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd)
  } catch {}
}
