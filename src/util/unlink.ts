import { unlinkSync } from 'node:fs'
import { errnoCode } from '../base/error.js'

/** Deletes a file; false where there was none. */
export function unlinkIfThere(path: string): boolean {
  try {
    unlinkSync(path)
    return true
  } catch (err) {
    if (errnoCode(err) === 'ENOENT') return false
    throw err
  }
}
