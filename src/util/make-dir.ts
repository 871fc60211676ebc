import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoCode } from '../base/error.js'
import { storageError } from './storage-error.js'

/**
 * Makes one directory with exactly this mode, whatever the umask.
 *
 * @throws TsboxError E_DISK_FULL, E_STORE_UNWRITABLE
 */
export function makeDir(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode })
    chmodSync(path, mode)
  } catch (err) {
    throw storageError(err, 'make folder', path)
  }
}

/**
 * Makes a folder and those above it; fine where it is there. Node's own recursive mkdir never ends in a place such as
 * /proc, which answers ENOENT for a name that can't be made in a folder that exists.
 *
 * @throws the system's error; EROFS for such a place
 */
export function makeDirs(path: string, mode = 0o777): void {
  // Another process may take an empty parent away between two calls; nobody does that this often.
  for (let tries = 0; tries < 32; tries++) {
    try {
      mkdirSync(path, { mode })
      return
    } catch (err) {
      if (errnoCode(err) === 'EEXIST' && isDirectory(path)) return
      if (errnoCode(err) !== 'ENOENT' || path === '/') throw err
    }
    if (!isDirectory(dirname(path))) makeDirs(dirname(path), mode)
  }
  throw Object.assign(new Error(`EROFS: nothing can be made here, mkdir '${path}'`), { code: 'EROFS' })
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
