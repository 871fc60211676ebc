import type { Entry, EntryWithContent } from '../../src/layer/entry.js'
import { TarEncoder } from '../../src/layer/tar-encoder.js'
import type { TarParserOptions } from '../../src/layer/tar-parser.js'
import { readTarStream } from '../../src/layer/tar-reader.js'

/** An entry with a content, from as little as a test wants to say. */
export interface SimpleEntry extends Partial<Entry> {
  path: string
  content?: string | Uint8Array
}

/** Fills in the rest: a file where there is content, else a directory; root's, of 1970. */
export function simpleEntry({ content, ...e }: SimpleEntry): { entry: Entry; bytes: Uint8Array } {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : (content ?? new Uint8Array(0))
  const type = e.type ?? (content === undefined ? 'dir' : 'file')
  const mode =
    type === 'dir' ? 0o755 : type === 'symlink' ? 0o777 : type === 'whiteout' || type === 'opaque' ? 0 : 0o644
  const entry: Entry = { mode, uid: 0, gid: 0, mtime: 0, ...e, type, size: type === 'file' ? bytes.length : 0 }
  return { entry, bytes }
}

/** A tar by our encoder. */
export function tarOf(entries: readonly SimpleEntry[]): Buffer {
  const chunks: Buffer[] = []
  const encoder = new TarEncoder((chunk) => chunks.push(Buffer.from(chunk)))
  for (const e of entries) {
    const { entry, bytes } = simpleEntry(e)
    encoder.entry(entry)
    if (bytes.length) encoder.data(bytes)
  }
  encoder.end()
  return Buffer.concat(chunks)
}

/** What a tar holds, contents as Buffers. */
export async function listTar(
  tar: Uint8Array,
  options: TarParserOptions & { chunkSize?: number } = {},
): Promise<{ entry: Entry; content: Buffer | undefined }[]> {
  const out: { entry: Entry; content: Buffer | undefined }[] = []
  for await (const { entry, content } of readTarStream(chunksOf(tar, options.chunkSize ?? 1 << 16), options))
    out.push({ entry, content: content ? await collect(content) : undefined })
  return out
}

export function* chunksOf(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export async function collect(content: NonNullable<EntryWithContent['content']>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of content) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
