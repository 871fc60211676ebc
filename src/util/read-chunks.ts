import { createReadStream } from 'node:fs'
import { errnoCode, TsboxError } from '../base/error.js'

/**
 * Content of a file in pieces of up to 256 KiB, each in memory of its own.
 *
 * @param start byte to begin with
 * @throws TsboxError E_FILE_MISSING, E_FILE_UNREADABLE, while iterating
 */
export async function* readChunks(path: string, start = 0): AsyncGenerator<Uint8Array> {
  const stream = createReadStream(path, { highWaterMark: 1 << 18, start })
  try {
    for await (const chunk of stream) yield chunk as Buffer
  } catch (err) {
    const code = errnoCode(err)
    if (code === 'ENOENT') throw new TsboxError('E_FILE_MISSING', `read file: it does not exist: "${path}"`)
    if (code === 'EACCES' || code === 'EISDIR')
      throw new TsboxError('E_FILE_UNREADABLE', `read file: it can't be read (${code}): "${path}"`, { cause: err })
    throw err
  } finally {
    stream.destroy()
  }
}
