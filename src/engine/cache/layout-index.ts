import { closeSync, readSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import { INDEX_FILE, LAYOUT_FILE, layoutBlobPath, REF_NAME } from '../../oci/layout.js'
import { type Descriptor, type ImageIndex, isIndex, parseManifest, parseObject } from '../../oci/manifest.js'
import { openBeneath } from '../../util/beneath.js'
import { damaged } from './read-blob.js'

const MAX_INDEX_BYTES = 4 << 20
const CHUNK_BYTES = 1 << 18

/** The index of an OCI layout folder; undefined where the folder is none (yet). @throws TsboxError E_CACHE_INVALID, E_UNSAFE_PATH */
export function readIndex(dir: string): ImageIndex | undefined {
  const layout = readSmall(dir, LAYOUT_FILE)
  const index = readSmall(dir, INDEX_FILE)
  if (!layout || !index) return undefined
  if (!/^1\./.test(String(parseObject(layout, LAYOUT_FILE).imageLayoutVersion)))
    throw new TsboxError('E_CACHE_INVALID', `read cache: unknown layout version in "${dir}/${LAYOUT_FILE}"`)
  const parsed = parseManifest(index)
  if (!isIndex(parsed)) throw new TsboxError('E_CACHE_INVALID', `read cache: no index: "${dir}/${INDEX_FILE}"`)
  return parsed
}

/** The entry of an index that a tag names. */
export function taggedIn(index: ImageIndex, tag: string): Descriptor | undefined {
  return index.manifests.find((d) => {
    const ref = d.annotations?.[REF_NAME]
    return ref === tag || ref?.endsWith(`:${tag}`)
  })
}

/** Bytes of a blob of a layout folder, no link followed. @throws TsboxError E_CACHE_INVALID, E_UNSAFE_PATH, while iterating */
export async function* openLayoutBlob(dir: string, blob: Descriptor): AsyncGenerator<Uint8Array> {
  const opened = openBeneath(dir, layoutBlobPath(blob.digest))
  if (!opened) throw damaged(blob, 'it is missing')
  try {
    if (opened.stat.size !== blob.size) throw damaged(blob, `it has ${opened.stat.size} bytes instead of ${blob.size}`)
    yield* chunksOf(opened.fd)
  } finally {
    closeSync(opened.fd)
  }
}

/** Whether a file is there for the blob, of its size. */
export function hasLayoutBlob(dir: string, blob: Descriptor): boolean {
  try {
    const opened = openBeneath(dir, layoutBlobPath(blob.digest))
    if (!opened) return false
    closeSync(opened.fd)
    return opened.stat.size === blob.size
  } catch {
    return false
  }
}

function* chunksOf(fd: number): Generator<Uint8Array> {
  for (;;) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    const n = readSync(fd, chunk, 0, CHUNK_BYTES, null)
    if (n === 0) return
    yield chunk.subarray(0, n)
  }
}

function readSmall(dir: string, name: string): Uint8Array | undefined {
  const opened = openBeneath(dir, name)
  if (!opened) return undefined
  try {
    if (opened.stat.size > MAX_INDEX_BYTES)
      throw new TsboxError('E_CACHE_INVALID', `read cache: too big: "${dir}/${name}"`)
    return Buffer.concat([...chunksOf(opened.fd)])
  } finally {
    closeSync(opened.fd)
  }
}
