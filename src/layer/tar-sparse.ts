import { TsboxError } from '../base/error.js'
import type { Entry } from './entry.js'
import type { SparseExtent } from './tar-header.js'

const ZEROS = new Uint8Array(1 << 16)
const MAX_EXTENTS = 1 << 20

/**
 * Checks a sparse map and makes the functions that turn stored bytes into the file's content.
 *
 * @param stored bytes of content in the archive
 * @returns `feed` takes stored bytes in order; `holes` gives the zeros up to the next extent and is called once at the
 *   start; after the last stored byte `feed` gives the zeros up to the end
 * @throws TsboxError E_TAR_INVALID for extents that overlap, leave the file or don't match what is stored
 */
export function expandSparse(
  extents: readonly SparseExtent[],
  entry: Entry,
  stored: number,
  output: (chunk: Uint8Array) => void,
): { feed: (chunk: Uint8Array) => void; holes: () => void } {
  checkExtents(extents, entry, stored)
  let index = 0
  let done = 0
  let inExtent = 0
  const holes = () => {
    for (;;) {
      const extent = extents[index]
      const until = extent ? extent[0] : entry.size
      for (; done < until; done += Math.min(ZEROS.length, until - done))
        output(ZEROS.subarray(0, Math.min(ZEROS.length, until - done)))
      if (!extent || inExtent < extent[1]) return
      index++
      inExtent = 0
    }
  }
  const feed = (chunk: Uint8Array) => {
    for (let at = 0; at < chunk.length; ) {
      const extent = extents[index]!
      const n = Math.min(chunk.length - at, extent[1] - inExtent)
      output(chunk.subarray(at, at + n))
      at += n
      done += n
      inExtent += n
      if (inExtent === extent[1]) {
        index++
        inExtent = 0
        holes()
      }
    }
  }
  return { feed, holes }
}

function checkExtents(extents: readonly SparseExtent[], entry: Entry, stored: number): void {
  let end = 0
  let total = 0
  for (const [offset, size] of extents) {
    if (!(offset >= end) || !(size >= 0) || !(offset + size <= entry.size)) throw malformed(entry.path)
    end = offset + size
    total += size
  }
  if (total !== stored || extents.length > MAX_EXTENTS) throw malformed(entry.path)
}

function malformed(path: string): TsboxError {
  return new TsboxError('E_TAR_INVALID', `read tar: malformed sparse map: "${path}"`)
}

/** Pairs of decimals → extents. @throws TsboxError E_TAR_INVALID */
export function pairExtents(numbers: readonly string[]): SparseExtent[] {
  const out: SparseExtent[] = []
  if (numbers.length % 2) throw new TsboxError('E_TAR_INVALID', 'read tar: malformed sparse map')
  for (let i = 0; i < numbers.length; i += 2) out.push([decimal(numbers[i]!), decimal(numbers[i + 1]!)])
  return out
}

/**
 * Map of pax sparse format 1.0: the count, then offset and size of each, a line each.
 *
 * @returns undefined where more of the text is needed
 */
export function parseSparseMap(text: string): SparseExtent[] | undefined {
  const lines = text.split('\n')
  lines.pop()
  if (lines.length === 0) return undefined
  const count = decimal(lines[0]!)
  if (count > MAX_EXTENTS) throw new TsboxError('E_TAR_INVALID', 'read tar: malformed sparse map')
  return lines.length > count * 2 ? pairExtents(lines.slice(1, 1 + count * 2)) : undefined
}

function decimal(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new TsboxError('E_TAR_INVALID', 'read tar: malformed sparse map')
  return Number(text)
}
