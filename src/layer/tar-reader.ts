import type { Entry, EntrySink, EntrySource, EntryWithContent } from './entry.js'
import type { SparseExtent } from './tar-header.js'
import { type ContentPlace, type TarHandler, TarParser, type TarParserOptions } from './tar-parser.js'

/** Reads at a position, as `fs.readSync(fd, buffer, 0, buffer.length, position)` does; 0 at the end. */
export type ReadAt = (buffer: Uint8Array, position: number) => number

const SCAN_BYTES = 1 << 16
const ZEROS = new Uint8Array(1 << 16)

/**
 * Lists the entries of a tar that can be read anywhere; contents are passed over, not read.
 *
 * @throws TsboxError as TarParser
 */
export function scanTar(read: ReadAt, entry: TarHandler['entry'], options: TarParserOptions = {}): void {
  for (const _ of scanSteps(read, new TarParser({ entry }, options)));
}

function* scanSteps(read: ReadAt, parser: TarParser): Generator<void> {
  const buffer = new Uint8Array(SCAN_BYTES)
  for (let position = 0; !parser.ended; ) {
    const skip = parser.skippable
    if (skip > 0) {
      parser.skip(skip)
      position += skip
    }
    const n = read(buffer, position)
    // A tar cut off within a content that was passed over must not look whole.
    if (n === 0) {
      if (skip > 0 && read(buffer.subarray(0, 1), position - 1) === 0) parser.truncated()
      break
    }
    parser.push(buffer.subarray(0, n))
    position += n
    yield
  }
  parser.end()
}

/** An entry of a tar that can be read anywhere. */
export interface PlacedEntry extends EntryWithContent {
  /** Where the content is; set for files. */
  place: ContentPlace | undefined
  content?: Iterable<Uint8Array> | undefined
}

/**
 * Entries of a tar that can be read anywhere, with contents that are read only when asked for, at any time.
 *
 * @throws TsboxError as TarParser, while iterating
 */
export function* readTar(read: ReadAt, options: TarParserOptions = {}): Generator<PlacedEntry> {
  let found: PlacedEntry[] = []
  const entry = (e: Entry, place: ContentPlace | undefined) => {
    const content = place ? { [Symbol.iterator]: () => readContent(read, e.size, place) } : undefined
    found.push({ entry: e, place, content })
  }
  for (const _ of scanSteps(read, new TarParser({ entry }, options))) {
    const batch = found
    found = []
    yield* batch
  }
  yield* found
}

/**
 * Content of a file, holes included, in pieces that are valid until the next one is asked for.
 *
 * @param size bytes of the file
 */
export function* readContent(read: ReadAt, size: number, place: ContentPlace): Generator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(Math.max(size, 1), 1 << 18))
  let offset = place.offset
  let done = 0
  for (const [start, length] of place.sparse ?? ([[0, size]] as SparseExtent[])) {
    yield* zeros(start - done)
    for (let left = length; left > 0; ) {
      const n = read(buffer.subarray(0, Math.min(left, buffer.length)), offset)
      if (n === 0) return
      yield buffer.subarray(0, n)
      offset += n
      left -= n
    }
    done = start + length
  }
  yield* zeros(size - done)
}

function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length))
}

/**
 * Entries of a tar that comes as a stream. The content of an entry must be consumed (or the iteration goes on without
 * it, which skips it) before the next entry is asked for; chunks must not be reused by whoever makes them.
 *
 * Consumes the stream to its end, also behind the archive's end mark: a digest covers what is there.
 *
 * @throws TsboxError as TarParser, while iterating
 */
export async function* readTarStream(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: TarParserOptions = {},
): AsyncGenerator<EntryWithContent & { place: ContentPlace | undefined }> {
  const queue: (PlacedStart | Uint8Array)[] = []
  const parser = new TarParser(
    {
      entry: (entry, place) => queue.push({ entry, place }),
      // Holes come from one shared array of zeros, so views are safe to queue.
      data: (chunk) => queue.push(chunk),
    },
    options,
  )
  const source = asyncIterator(chunks)
  let at = 0
  /** The next event, undefined at the end; `at` is where the queue stands. */
  const peek = async () => {
    while (at >= queue.length) {
      queue.length = at = 0
      const next = await source.next()
      if (next.done) {
        parser.end()
        return undefined
      }
      parser.push(next.value)
    }
    return queue[at]
  }
  async function* content(): AsyncGenerator<Uint8Array> {
    for (let event = await peek(); event instanceof Uint8Array; event = await peek()) {
      at++
      yield event
    }
  }
  try {
    for (let event = await peek(); event !== undefined; event = await peek()) {
      at++
      if (event instanceof Uint8Array) continue
      const { entry, place } = event
      yield { entry, place, content: entry.type === 'file' ? content() : undefined }
    }
  } finally {
    await source.return?.()
  }
}

interface PlacedStart {
  entry: Entry
  place: ContentPlace | undefined
}

function asyncIterator(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncIterator<Uint8Array> {
  if (Symbol.asyncIterator in chunks) return chunks[Symbol.asyncIterator]()
  const inner = chunks[Symbol.iterator]()
  return {
    next: async () => inner.next(),
    return: async () => inner.return?.() ?? { done: true, value: undefined },
  }
}

/** Copies a source into a sink. */
export async function pipeEntries(source: EntrySource, sink: EntrySink): Promise<void> {
  for await (const { entry, content } of source) {
    sink.entry(entry)
    if (content) for await (const chunk of content) sink.data(chunk)
  }
}
