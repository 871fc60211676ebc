import { availableParallelism } from 'node:os'
import { constants, crc32, deflateRaw } from 'node:zlib'

/** No name, no time, no system. @see RFC 1952, section 2.3 */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)
/** Blocks are packed apart from each other, whatever number of cores there is: the bytes must not depend on that. */
const BLOCK_BYTES = 1 << 20
/** So much of the block before is known to a block, as if both were one. @see RFC 1951, section 2 */
const WINDOW_BYTES = 1 << 15
const MEMORY_LEVEL = 9
/** Threads that Node has for this unless it is told otherwise. */
const MAX_THREADS = 4

/**
 * Packs a stream with gzip, blocks at once on threads of Node's own. The same pieces give the same bytes with the same zlib
 * (Node's own, which finds other matches with other processor features), on any number of cores.
 *
 * @param level 0 to 9
 */
export async function* packGzip(chunks: AsyncIterable<Uint8Array>, level: number): AsyncGenerator<Uint8Array> {
  const width = Math.min(MAX_THREADS, Math.max(2, availableParallelism())) + 1
  const waiting: Promise<Uint8Array>[] = []
  let sum = 0
  let size = 0
  let before: Uint8Array | undefined
  yield HEADER
  for await (const block of blocks(chunks)) {
    sum = crc32(block, sum)
    size += block.length
    const packed = packBlock(block, before, level, constants.Z_SYNC_FLUSH)
    // Asked for in its turn, or never where the reader goes away.
    packed.catch(() => {})
    waiting.push(packed)
    before = block.subarray(Math.max(0, block.length - WINDOW_BYTES))
    if (waiting.length >= width) yield await waiting.shift()!
  }
  for (const packed of waiting) yield await packed
  yield await packBlock(new Uint8Array(0), undefined, level, constants.Z_FINISH)
  yield trailer(sum, size)
}

/** Pieces of one size in memory of their own, the last one shorter. */
async function* blocks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block = new Uint8Array(BLOCK_BYTES)
  let filled = 0
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + BLOCK_BYTES - filled)
      block.set(part, filled)
      filled += part.length
      at += part.length
      if (filled < BLOCK_BYTES) continue
      yield block
      block = new Uint8Array(BLOCK_BYTES)
      filled = 0
    }
  }
  if (filled > 0) yield block.subarray(0, filled)
}

function packBlock(
  block: Uint8Array,
  dictionary: Uint8Array | undefined,
  level: number,
  finishFlush: number,
): Promise<Uint8Array> {
  const options = { level, memLevel: MEMORY_LEVEL, finishFlush, ...(dictionary ? { dictionary } : {}) }
  return new Promise((resolve, reject) =>
    deflateRaw(block, options, (err, packed) => (err ? reject(err) : resolve(packed))),
  )
}

function trailer(sum: number, size: number): Uint8Array {
  const out = new Uint8Array(8)
  const view = new DataView(out.buffer)
  view.setUint32(0, sum, true)
  view.setUint32(4, size % 2 ** 32, true)
  return out
}
