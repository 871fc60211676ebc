import { closeSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Extract, extract as extractTar } from 'tar-stream'
import { TsboxError } from '../../base/error.js'
import { dirName } from '../../base/path.js'
import { safePath } from '../../layer/tar-entry.js'
import type { BlobStore, BlobWriter, StoredBlob } from '../../store/blobs.js'
import { decompress } from '../../store/decompress.js'
import type { Lease } from '../../store/lease.js'
import { openBeneath } from '../../util/beneath.js'
import { readChunks } from '../../util/read-chunks.js'

/** Largest document (manifest, configuration, index) that is read. */
const MAX_DOCUMENT_BYTES = 8 << 20
const MAX_LINKS = 16

/** A file of an archive, hashed and on the store's disk, not yet published. */
export interface StagedFile extends StoredBlob {
  /** Where its content is now. */
  readonly path: string
  /** Makes it a blob of the store. Idempotent. */
  publish(): StoredBlob
}

/** Files of an archive or of a folder, by path. Close it: what was not published goes. */
export interface ArchiveFiles {
  /** @throws TsboxError E_ARCHIVE_INVALID, E_UNSAFE_PATH */
  file(path: string): Promise<StagedFile | undefined>
  close(): void
}

/**
 * Reads a tar, compressed or not, in one pass, so that it may come from a pipe: each of its files is staged.
 *
 * @throws TsboxError E_ARCHIVE_INVALID, E_TAR_UNSAFE_PATH, E_UNPACK, E_DISK_FULL; nothing is left then
 */
export async function readArchive(
  chunks: AsyncIterable<Uint8Array>,
  blobs: BlobStore,
  lease: Lease,
): Promise<ArchiveFiles> {
  const extract = extractTar()
  const files = new StagedFiles(blobs, lease)
  const fed = pipeline(Readable.from(decompress(chunks), { objectMode: false }), extract).catch((err: unknown) => err)
  try {
    await stageAll(extract, files)
    return files
  } catch (err) {
    files.close()
    // Our own refusal closes the stream, whose error is then only that; a fault of the source shows as that one's.
    throw invalidArchive(err instanceof TsboxError ? err : ((await fed) ?? err))
  }
}

async function stageAll(extract: Extract, files: StagedFiles): Promise<void> {
  for await (const entry of extract) {
    const { name, type, linkname } = entry.header
    const path = safePath(name)
    if (type === 'file' || type === 'contiguous-file')
      await files.add(path, entry as unknown as AsyncIterable<Uint8Array>)
    else if (type === 'symlink') files.link(path, safeTarget(path, linkname ?? ''))
    else if (type === 'link') files.link(path, safePath(linkname ?? ''))
    entry.resume()
  }
}

/** A symlink's target as a path of the archive. Older docker links equal layers to each other. */
function safeTarget(path: string, target: string): string {
  const parts = target.startsWith('/') ? [] : dirName(path).split('/').filter(Boolean)
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined)
      throw new TsboxError('E_TAR_UNSAFE_PATH', `read archive: link leaves the archive: "${path}" -> "${target}"`)
  }
  return parts.join('/')
}

function invalidArchive(err: unknown): unknown {
  if (err instanceof TsboxError) return err
  if (!(err instanceof Error) || (err as NodeJS.ErrnoException).syscall) return err
  return new TsboxError('E_ARCHIVE_INVALID', `read archive: it is no tar: "${err.message}"`, {
    hint: 'tsbox load reads archives of docker save, OCI archives and OCI layout folders',
    cause: err,
  })
}

class StagedFiles implements ArchiveFiles {
  readonly #blobs: BlobStore
  readonly #lease: Lease
  readonly #files = new Map<string, StagedFile>()
  readonly #links = new Map<string, string>()
  readonly #writers: BlobWriter[] = []

  constructor(blobs: BlobStore, lease: Lease) {
    this.#blobs = blobs
    this.#lease = lease
  }

  async add(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const writer = this.#blobs.writer(this.#lease)
    this.#writers.push(writer)
    for await (const chunk of content) writer.write(chunk)
    this.#files.set(path, stagedFile(this.#blobs, writer))
    this.#links.delete(path)
  }

  link(path: string, target: string): void {
    this.#links.set(path, target)
    this.#files.delete(path)
  }

  async file(path: string): Promise<StagedFile | undefined> {
    let at = path
    for (let n = 0; this.#links.has(at); n++) {
      if (n === MAX_LINKS) throw new TsboxError('E_ARCHIVE_INVALID', `read archive: links in a circle: "${path}"`)
      at = this.#links.get(at)!
    }
    return this.#files.get(at)
  }

  close(): void {
    for (const writer of this.#writers) writer.abort()
  }
}

/** An OCI layout folder: files are staged when they are asked for. */
export function readFolder(dir: string, blobs: BlobStore, lease: Lease): ArchiveFiles {
  const staged = new StagedFiles(blobs, lease)
  return {
    async file(path) {
      const known = await staged.file(path)
      if (known) return known
      const opened = openBeneath(dir, path)
      if (!opened) return undefined
      closeSync(opened.fd)
      await staged.add(path, readChunks(`${dir}/${path}`))
      return staged.file(path)
    },
    close: () => staged.close(),
  }
}

function stagedFile(blobs: BlobStore, writer: BlobWriter): StagedFile {
  const { digest, sizeBytes } = writer.end()
  let published: StoredBlob | undefined
  return {
    digest,
    sizeBytes,
    get path() {
      return published ? blobs.path(digest) : writer.tempPath
    },
    publish() {
      published ??= writer.commit()
      return published
    },
  }
}

/** Content of a document. @throws TsboxError E_ARCHIVE_INVALID for one that is too big to be one */
export function readDocument(file: StagedFile, name: string): Uint8Array {
  if (file.sizeBytes > MAX_DOCUMENT_BYTES)
    throw new TsboxError('E_ARCHIVE_INVALID', `read archive: ${file.sizeBytes} bytes are too many for "${name}"`)
  return readFileSync(file.path)
}
