import { structuredPatch } from 'diff'
import type { FileTree } from '../../build/seams.js'

/** Files up to this size are compared line by line. */
const TEXT_BYTES = 256 << 10
const LINES = 14
/** Effort after which a comparison of lines is given up. */
const MAX_EDITS = 2000
const HEX_BYTES = 16

/**
 * Shows where two contents of one path begin to differ.
 *
 * @returns the offset in bytes, and lines: a small diff of texts, bytes in hex of anything else
 */
export async function contentDifference(
  path: string,
  first: FileTree,
  second: FileTree,
): Promise<{ offset: number; lines: string[] }> {
  const offset = await firstDifferentByte(first.stream(path), second.stream(path))
  const [a, b] = [first.lstat(path)?.size ?? 0, second.lstat(path)?.size ?? 0]
  if (Math.max(a, b) > TEXT_BYTES) return { offset, lines: [] }
  const [x, y] = [await first.readFile(path), await second.readFile(path)]
  const [oldText, newText] = [textOf(x), textOf(y)]
  const lines = oldText === undefined || newText === undefined ? undefined : textDiff(oldText, newText)
  return { offset, lines: lines ?? [`- ${hexAt(x, offset)}`, `+ ${hexAt(y, offset)}`] }
}

/** Offset of the first byte in which two streams differ: the length of the shorter where it begins the longer. */
async function firstDifferentByte(a: AsyncIterable<Uint8Array>, b: AsyncIterable<Uint8Array>): Promise<number> {
  const [left, right] = [new Bytes(a), new Bytes(b)]
  try {
    for (let offset = 0; ; ) {
      const [x, y] = [await left.some(), await right.some()]
      const count = Math.min(x.length, y.length)
      for (let i = 0; i < count; i++) if (x[i] !== y[i]) return offset + i
      offset += count
      if (count === 0) return offset
      left.take(count)
      right.take(count)
    }
  } finally {
    await left.end()
    await right.end()
  }
}

/** A stream of which as much as one likes is taken at a time. */
class Bytes {
  readonly #source: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** What is there without taking it; empty at the end only. */
  async some(): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next()
      if (next.done) break
      this.#rest = next.value.slice()
    }
    return this.#rest
  }

  take(count: number): void {
    this.#rest = this.#rest.subarray(count)
  }

  async end(): Promise<void> {
    await this.#source.return?.()
  }
}

function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** The first hunk of a unified diff; undefined where the texts have too little in common. */
function textDiff(before: string, now: string): string[] | undefined {
  const patch = structuredPatch('', '', before, now, '', '', { context: 1, maxEditLength: MAX_EDITS })
  const hunk = patch?.hunks[0]
  if (!hunk) return undefined
  const lines = [`@@ line ${hunk.newStart}`, ...hunk.lines]
  return lines.length > LINES ? [...lines.slice(0, LINES), `… and ${lines.length - LINES} lines more`] : lines
}

function hexAt(bytes: Uint8Array, offset: number): string {
  const part = bytes.subarray(offset, offset + HEX_BYTES)
  const hex = [...part].map((b) => b.toString(16).padStart(2, '0')).join(' ')
  return `${hex === '' ? '(end of file)' : hex} (from byte ${offset})`
}
