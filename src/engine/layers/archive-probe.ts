import { concatBytes } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'
import { BLOCK } from '../../layer/tar-format.js'
import { decompress } from '../../store/decompress.js'

/**
 * Whether a file is a tar, compressed or not: what ADD extracts.
 *
 * @returns the uncompressed tar as a stream, undefined for anything else
 */
export async function isTar(content: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array> | undefined> {
  const source = decompress(content)[Symbol.asyncIterator]()
  let head = new Uint8Array(0)
  try {
    while (head.length < BLOCK) {
      const next = await source.next()
      if (next.done) return undefined
      head = concatBytes([head, next.value]) as Uint8Array<ArrayBuffer>
    }
  } catch (err) {
    // Something that only begins like a compressed file is copied as it is; a packing we can't read is an error.
    if (err instanceof TsboxError && err.code === 'E_NO_UNPACKER') throw err
    return undefined
  }
  if (!hasTarHeader(head)) {
    await source.return?.(undefined)
    return undefined
  }
  return (async function* () {
    yield head
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value
  })()
}

/** Checks the header's checksum. @see tar(5), POSIX.1 pax, ustar interchange format */
function hasTarHeader(block: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(block.subarray(148, 156))
  const stored = Number.parseInt(text.replace(/[\0 ]+$/, '').trim(), 8)
  let sum = 0
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : block[i]!
  return sum === stored
}
