import { besideBundle } from '../helper.js'
import { packGzip } from '../layers/gzip.js'
import { DEFAULT_LEVEL } from '../layers/pack.js'
import { rechunk } from '../layers/rechunk.js'

const PIECE_BYTES = 1 << 17

/** How blobs of a cache are packed. */
export interface CachePacking {
  compression: 'uncompressed' | 'gzip' | 'zstd'
  /** Default: that of the program. */
  level?: number | undefined
}

/** Packs a blob of a cache: the same bytes for the same content. */
export async function* packed(
  chunks: AsyncIterable<Uint8Array>,
  { compression, level }: CachePacking,
  env: Readonly<Record<string, string | undefined>>,
): AsyncGenerator<Uint8Array> {
  const pieces = rechunk(chunks, PIECE_BYTES)
  if (compression === 'uncompressed') yield* pieces
  else if (compression === 'gzip') yield* packGzip(pieces, level ?? DEFAULT_LEVEL.gzip)
  else {
    const { packZstd } = await import('../zstd/zstd.js')
    yield* packZstd(besideBundle('zstd-worker.cjs', env), pieces, level ?? DEFAULT_LEVEL.zstd)
  }
}
