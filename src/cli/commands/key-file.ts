import { readFileSync } from 'node:fs'
import { errnoCode, TsboxError } from '../../base/error.js'

/** A key from a file. @throws TsboxError E_SIGNING_KEY */
export function readKey(file: string): { pem: string; file: string } {
  try {
    return { pem: readFileSync(file, 'utf8'), file }
  } catch (err) {
    throw new TsboxError(
      'E_SIGNING_KEY',
      `read key: ${errnoCode(err) === 'ENOENT' ? 'it does not exist' : (err as Error).message}: "${file}"`,
    )
  }
}
