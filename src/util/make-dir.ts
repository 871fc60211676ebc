import { chmodSync, mkdirSync } from 'node:fs'
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
