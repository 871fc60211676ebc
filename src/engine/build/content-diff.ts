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
  const { offset, bytes } = await firstDifferentByte(first.stream(path), second.stream(path))
  const sizes = [first, second].map((tree) => tree.lstat(path)?.size ?? 0)
  const lines = Math.max(...sizes) > TEXT_BYTES ? undefined : await textLines(path, first, second)
  return { offset, lines: lines ?? [`- ${hexOf(bytes[0], offset)}`, `+ ${hexOf(bytes[1], offset)}`] }
}

async function textLines(path: string, first: FileTree, second: FileTree): Promise<string[] | undefined> {
  const [before, now] = [textOf(await first.readFile(path)), textOf(await second.readFile(path))]
  return before === undefined || now === undefined ? undefined : textDiff(before, now)
}

/** Where two streams begin to differ, and what each has from there, at most {@link HEX_BYTES}. */
interface ByteDifference {
  offset: number
  bytes: [Uint8Array, Uint8Array]
}

/** The first byte in which two streams differ: the end of the shorter where the longer begins with it. */
async function firstDifferentByte(a: AsyncIterable<Uint8Array>, b: AsyncIterable<Uint8Array>): Promise<ByteDifference> {
  const [left, right] = [new Bytes(a), new Bytes(b)]
  try {
    for (let offset = 0; ; ) {
      const [x, y] = [await left.some(), await right.some()]
      const count = Math.min(x.length, y.length)
      let same = 0
      while (same < count && x[same] === y[same]) same++
      offset += same
      if (same < count || count === 0) return { offset, bytes: [head(x, same), head(y, same)] }
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

function head(bytes: Uint8Array, from: number): Uint8Array {
  return bytes.slice(from, from + HEX_BYTES)
}

function hexOf(bytes: Uint8Array, offset: number): string {
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(' ')
  return `${hex === '' ? '(end of file)' : hex} (from byte ${offset})`
}
