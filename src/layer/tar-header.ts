import { decodeName } from '../base/bytes.js'
import { TsboxError } from '../base/error.js'
import { BLOCK } from './tar-format.js'

/** One raw header block; names are still as stored. */
export interface TarHeader {
  name: string
  mode: number
  uid: number
  gid: number
  size: number
  mtime: number
  /** The type flag as a character; NUL of old tars is `0`. */
  flag: string
  link: string
  major: number
  minor: number
  /** GNU's own format: the fields behind the device numbers are not a prefix. */
  gnu: boolean
}

/** An area of a sparse file that has content. */
export type SparseExtent = readonly [offset: number, size: number]

/**
 * @param b holds a block at `at`
 * @returns undefined for a block of zeros, the end of the archive
 * @throws TsboxError E_TAR_INVALID
 */
export function decodeHeader(b: Uint8Array, at: number): TarHeader | undefined {
  if (b[at] === 0 && isZero(b, at)) return undefined
  verifySum(b, at)
  const gnu = b[at + 262] === 0x20 && b[at + 257] === 0x75
  const ustar = !gnu && b[at + 257] === 0x75 && b[at + 261] === 0x72
  let name = text(b, at, 100)
  if (ustar && b[at + 345] !== 0) name = `${text(b, at + 345, 155)}/${name}`
  return {
    name,
    mode: number(b, at + 100, 8) & 0o7777,
    uid: number(b, at + 108, 8),
    gid: number(b, at + 116, 8),
    size: number(b, at + 124, 12),
    mtime: number(b, at + 136, 12),
    flag: b[at + 156] === 0 ? '0' : String.fromCharCode(b[at + 156]!),
    link: text(b, at + 157, 100),
    major: ustar || gnu ? number(b, at + 329, 8) : 0,
    minor: ustar || gnu ? number(b, at + 337, 8) : 0,
    gnu,
  }
}

/**
 * Extents of GNU's old sparse format.
 *
 * @param first where the map starts in the block: 386 in the header, 0 in an extension
 * @param count how many pairs have a place there
 * @returns whether an extension block follows, and the file's real size (of the header only)
 */
export function decodeOldSparse(
  b: Uint8Array,
  at: number,
  kind: 'header' | 'extension',
  extents: SparseExtent[],
): { more: boolean; realSize: number } {
  const [first, count] = kind === 'header' ? [386, 4] : [0, 21]
  for (let i = 0; i < count; i++) {
    const p = at + first + i * 24
    if (b[p] === 0) break
    extents.push([number(b, p, 12), number(b, p + 12, 12)])
  }
  if (kind === 'header') return { more: b[at + 482] === 1, realSize: number(b, at + 483, 12) }
  return { more: b[at + 504] === 1, realSize: 0 }
}

function isZero(b: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (b[i] !== 0) return false
  return true
}

function verifySum(b: Uint8Array, at: number): void {
  let unsigned = 8 * 0x20
  for (let i = at; i < at + 148; i++) unsigned += b[i]!
  for (let i = at + 156; i < at + BLOCK; i++) unsigned += b[i]!
  const stored = number(b, at + 148, 8)
  if (stored === unsigned) return
  // Some old tars summed signed characters.
  let signed = 8 * 0x20
  for (let i = at; i < at + BLOCK; i++) if (i < at + 148 || i >= at + 156) signed += (b[i]! << 24) >> 24
  if (stored !== signed) throw new TsboxError('E_TAR_INVALID', 'read tar: header has a wrong checksum')
}

function text(b: Uint8Array, at: number, size: number): string {
  let end = at
  while (end < at + size && b[end] !== 0) end++
  return decodeName(b.subarray(at, end))
}

/** Octal digits between blanks, or GNU's base 256. */
function number(b: Uint8Array, at: number, size: number): number {
  if (b[at]! & 0x80) return base256(b, at, size)
  let i = at
  const end = at + size
  while (i < end && (b[i] === 0x20 || b[i] === 0)) i++
  let value = 0
  for (; i < end && b[i] !== 0x20 && b[i] !== 0; i++) {
    const digit = b[i]! - 0x30
    if (digit < 0 || digit > 7) throw new TsboxError('E_TAR_INVALID', 'read tar: header has a malformed number')
    value = value * 8 + digit
  }
  return value
}

function base256(b: Uint8Array, at: number, size: number): number {
  const negative = (b[at]! & 0x40) !== 0
  let value = negative ? (b[at]! & 0x7f) - 0x80 : b[at]! & 0x7f
  for (let i = at + 1; i < at + size; i++) value = value * 256 + b[i]!
  if (!Number.isSafeInteger(value)) throw new TsboxError('E_TAR_INVALID', 'read tar: header has a number out of range')
  return value
}
