import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { errnoCode, TsboxError } from '../base/error.js'

/** Writes a file beside its name and renames it: a failure leaves what was there. @throws TsboxError E_WRITE */
export async function writeFileWhole(
  path: string,
  fill: (write: (chunk: Uint8Array) => void) => Promise<void>,
): Promise<void> {
  const part = `${path}.${process.pid}.part`
  try {
    const fd = openSync(part, 'wx', 0o644)
    try {
      await fill((chunk) => {
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at)
      })
    } finally {
      closeSync(fd)
    }
    renameSync(part, path)
  } catch (err) {
    rmSync(part, { force: true })
    if (err instanceof TsboxError || errnoCode(err) === undefined) throw err
    throw new TsboxError('E_WRITE', `cannot save to "${path}": ${(err as Error).message}`, { cause: err })
  }
}
