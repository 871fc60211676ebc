import { openSync, readFileSync } from 'node:fs'
import { LayerTree } from '../../layer/layer-tree.js'
import type { SparseExtent } from '../../layer/tar-header.js'
import type { ReadAt } from '../../layer/tar-reader.js'
import { decodeToc } from '../../layer/toc.js'
import { BlobReader } from '../../store/blobs.js'
import type { LowerDir } from '../../wasm/vfs/lower.js'

/** A layer as another thread finds it: an uncompressed tar and its encoded table of contents. */
export interface LayerFiles {
  tarPath: string
  tocPath: string
}

/**
 * Merged view of layers whose tars are read in place, at the offsets of their tables.
 *
 * @param layers base first
 */
export function tarLower(layers: readonly LayerFiles[]): LowerDir & { close(): void } {
  const tree = new LayerTree(layers.map(({ tocPath }) => decodeToc(readFileSync(tocPath))))
  const readers: BlobReader[] = []
  const readerOf = (index: number) => {
    readers[index] ??= new BlobReader(openSync(layers[index]!.tarPath, 'r'))
    return readers[index]
  }
  return {
    readdir: (path) => tree.readdir(path),
    lstat: (path) => tree.lstat(path),
    pread(path, offset, length) {
      const at = tree.locate(path)
      if (!at || at.offset < 0) return new Uint8Array(0)
      const { readAt } = readerOf(at.layerIndex)
      const wanted = Math.max(0, Math.min(length, at.entry.size - offset))
      const bytes = new Uint8Array(wanted)
      if (!at.sparse) return bytes.subarray(0, readAt(bytes, at.offset + offset))
      fillSparse(readAt, { tarOffset: at.offset, extents: at.sparse }, bytes, offset)
      return bytes
    },
    close() {
      for (const reader of readers) reader?.close()
    },
  }
}

/** Copies the stored parts of a sparse file that fall into `bytes`, which begin at `offset` of the file; holes stay zero. */
function fillSparse(
  read: ReadAt,
  stored: { tarOffset: number; extents: readonly SparseExtent[] },
  bytes: Uint8Array,
  offset: number,
): void {
  let position = stored.tarOffset
  for (const [start, size] of stored.extents) {
    const from = Math.max(start, offset)
    const to = Math.min(start + size, offset + bytes.length)
    if (from < to) read(bytes.subarray(from - offset, to - offset), position + from - start)
    position += size
  }
}
