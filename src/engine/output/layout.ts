import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { TsboxError } from '../../base/error.js'
import type { Transfer } from '../../build/progress/transfer.js'
import { INDEX_FILE, LAYOUT_FILE, layoutBlobPath, REF_NAME } from '../../oci/layout.js'
import { type ImageIndex, isIndex, parseManifest } from '../../oci/manifest.js'
import { writeFileAtomic } from '../../util/atomic.js'
import { blobContent, blobsOf, documentsOf, type SaveDeps, type Wanted } from '../archive/save.js'
import type { WriteWatch } from './folder.js'
import { outputErrors, tempBeside, writeAll } from './sink.js'

/**
 * Writes images as an OCI layout folder. Into a layout that is there they are added: a name that it has moves to the new
 * image. Each file appears whole, the index last.
 *
 * @throws TsboxError E_OUTPUT for a folder with other things in it
 */
export async function writeLayout(
  deps: SaveDeps,
  wanted: readonly Wanted[],
  { docker }: { docker: boolean },
  dir: string,
  { signal, transfer }: WriteWatch,
): Promise<void> {
  const before = readIndex(dir)
  outputErrors(dir, () => mkdirSync(join(dir, 'blobs/sha256'), { recursive: true }))
  const missing = blobsOf(wanted)
    .map((blob) => ({ blob, path: join(dir, layoutBlobPath(blob.digest)) }))
    .filter(({ blob, path }) => statSync(path, { throwIfNoEntry: false })?.size !== blob.size)
  const total = missing.reduce((sum, { blob }) => sum + blob.size, 0)
  const moved = transfer('copying files', total)
  for (const { blob, path } of missing) await writeBlob(path, blobContent(deps, blob), { signal, moved })
  moved.end()
  for (const { name, text } of documentsOf(wanted, docker).reverse()) {
    const path = join(dir, name)
    const content = name === INDEX_FILE && before ? mergeIndex(before, text) : text
    outputErrors(path, () => writeFileAtomic(path, content, { temp: tempBeside(path), mode: 0o644 }))
  }
}

/** The index of a layout; undefined for a folder that is empty or not there. */
function readIndex(dir: string): ImageIndex | undefined {
  const file = join(dir, INDEX_FILE)
  if (!outputErrors(file, () => statSync(file, { throwIfNoEntry: false }))) return undefined
  const index = parseManifest(outputErrors(file, () => readFileSync(file)))
  if (isIndex(index) && statSync(join(dir, LAYOUT_FILE), { throwIfNoEntry: false })) return index
  throw new TsboxError('E_OUTPUT', `write output: the folder is no OCI layout: "${dir}"`, { hint: 'name a new folder' })
}

function mergeIndex(before: ImageIndex, text: string): string {
  const added = JSON.parse(text) as ImageIndex
  const names = new Set(added.manifests.map((m) => m.annotations?.[REF_NAME]).filter((n) => n !== undefined))
  const digests = new Set(added.manifests.map((m) => m.digest))
  const kept = before.manifests.filter((m) => {
    const name = m.annotations?.[REF_NAME]
    return name === undefined ? !digests.has(m.digest) : !names.has(name)
  })
  return JSON.stringify({ ...added, manifests: [...kept, ...added.manifests] })
}

async function writeBlob(
  path: string,
  content: AsyncIterable<Uint8Array>,
  { signal, moved }: { signal: AbortSignal; moved: Transfer },
): Promise<void> {
  const temp = tempBeside(path)
  outputErrors(path, () => mkdirSync(dirname(path), { recursive: true }))
  const fd = outputErrors(path, () => openSync(temp, 'wx', 0o644))
  try {
    try {
      for await (const chunk of content) {
        signal.throwIfAborted()
        outputErrors(path, () => writeAll(fd, chunk))
        moved.add(chunk.length)
      }
    } finally {
      closeSync(fd)
    }
    outputErrors(path, () => renameSync(temp, path))
  } catch (err) {
    rmSync(temp, { force: true })
    throw err
  }
}
