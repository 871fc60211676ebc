/**
 * The same bytes in pieces of one size, the last one shorter: what packs a stream may make other bytes of other pieces.
 * A piece is only valid until the next one.
 */
export async function* rechunk(chunks: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(sizeBytes)
  let filled = 0
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + sizeBytes - filled)
      piece.set(part, filled)
      filled += part.length
      at += part.length
      if (filled < sizeBytes) continue
      yield piece
      filled = 0
    }
  }
  if (filled > 0) yield piece.subarray(0, filled)
}
