import { TsboxError } from '../../base/error.js'
import type { FileTree } from '../../build/seams.js'
import { detectCompression } from '../../layer/compression.js'
import type { NodeLayers } from '../layers/node-layers.js'

/** More than that is no Dockerfile. */
const MAX_TEXT_BYTES = 16 << 20

/** What came over a network or a pipe as a context: a tar's files, or the text of a Dockerfile. */
export type Unpacked = { tree: FileTree } | { text: string }

/**
 * Takes a context apart: a tar, compressed or not, else a Dockerfile.
 *
 * @param open reads the content from its beginning; called up to twice
 * @throws TsboxError E_CONTEXT for what is neither, E_UNPACK, E_NO_UNPACKER, E_TAR_*
 */
export async function unpackContext(
  layers: NodeLayers,
  open: () => AsyncIterable<Uint8Array>,
  sizeBytes: number,
): Promise<Unpacked> {
  const archive = await layers.importArchive(open())
  if (archive) return { tree: await layers.tree([archive.layer]) }
  if (sizeBytes > MAX_TEXT_BYTES) throw neither()
  const chunks: Uint8Array[] = []
  for await (const chunk of open()) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  if (detectCompression(bytes) !== 'none' || bytes.includes(0)) throw neither()
  return { text: bytes.toString('utf8') }
}

function neither(): TsboxError {
  return new TsboxError('E_CONTEXT', 'read build context: neither a tar archive nor a Dockerfile', {
    hint: 'pack the folder with tar -c, compressed or not',
  })
}
