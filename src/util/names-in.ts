import { readdirSync } from 'node:fs'
import { errnoCode } from '../base/error.js'

/** Names in a folder, sorted; none where it is not there. */
export function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort()
  } catch (err) {
    if (errnoCode(err) === 'ENOENT' || errnoCode(err) === 'ENOTDIR') return []
    throw err
  }
}
