import { existsSync, writeFileSync } from 'node:fs'
import { errnoCode, TsboxError } from '../../base/error.js'

/**
 * Docker's `--cidfile`: a file that must not be there yet.
 *
 * @returns writes the id
 * @throws TsboxError E_CIDFILE
 */
export function cidFile(path: string | undefined): (id: string) => void {
  if (path === undefined) return () => {}
  if (existsSync(path)) throw taken(path)
  return (id) => {
    try {
      writeFileSync(path, id, { flag: 'wx', mode: 0o644 })
    } catch (err) {
      if (errnoCode(err) === 'EEXIST') throw taken(path)
      throw new TsboxError('E_CIDFILE', `write container id: "${path}": ${(err as Error).message}`, {
        exitCode: 125,
        cause: err,
      })
    }
  }
}

function taken(path: string): TsboxError {
  return new TsboxError(
    'E_CIDFILE',
    `container ID file found, make sure the other container isn't running or delete "${path}"`,
    { exitCode: 125 },
  )
}
