import { encodeName } from '../../base/bytes.js'
import { TsboxError } from '../../base/error.js'

/** Thrown inside for a malformed pattern; what leaves this file names the pattern. */
class BadPattern extends Error {}

const code = (ch: string) => ch.charCodeAt(0)
const STAR = code('*')
const QUESTION = code('?')
const OPEN = code('[')
const CLOSE = code(']')
const CARET = code('^')
const DASH = code('-')
const BACKSLASH = code('\\')
const SLASH = code('/')

/**
 * Go's `filepath.Match` on Unix: the whole name must match. `*` and `?` don't match `/`; `[a-c]`, `[^x]` and `\` have
 * their meaning. As in Go a star may end inside a character, whose bytes then count one by one.
 *
 * @throws TsboxError E_PATTERN for a pattern that is malformed as far as it was compared: what follows a part that does
 *   not fit is not looked at
 * @see https://pkg.go.dev/path/filepath#Match
 */
export function matchGlob(pattern: string, name: string): boolean {
  try {
    return match(encodeName(pattern), encodeName(name))
  } catch (err) {
    if (!(err instanceof BadPattern)) throw err
    throw new TsboxError('E_PATTERN', `wildcard: syntax error in pattern "${pattern}"`, {
      hint: 'close the [ or write \\[ for the character itself',
    })
  }
}

/** Throws what {@link matchGlob} would for a name of one character. */
export function checkGlob(pattern: string): void {
  matchGlob(pattern, '.')
}

function match(pattern: Uint8Array, name: Uint8Array): boolean {
  let rest = pattern
  let text = name
  while (rest.length > 0) {
    const { star, chunk, after } = nextPiece(rest)
    rest = after
    if (star && chunk.length === 0) return !text.includes(SLASH)
    const last = rest.length === 0
    const direct = matchChunk(chunk, text)
    // The last chunk must use up the name, or another try with the star may.
    const found = direct && (direct.length === 0 || !last) ? direct : star ? tryLater(chunk, text, last) : undefined
    if (!found) return false
    text = found
  }
  return text.length === 0
}

/** A run of stars, and what must follow it up to the next star outside a set. */
function nextPiece(pattern: Uint8Array): { star: boolean; chunk: Uint8Array; after: Uint8Array } {
  let from = 0
  while (pattern[from] === STAR) from++
  let inSet = false
  let to = from
  for (; to < pattern.length; to++) {
    const ch = pattern[to]
    if (ch === BACKSLASH) {
      if (to + 1 < pattern.length) to++
    } else if (ch === OPEN) inSet = true
    else if (ch === CLOSE) inSet = false
    else if (ch === STAR && !inSet) break
  }
  return { star: from > 0, chunk: pattern.subarray(from, to), after: pattern.subarray(to) }
}

function tryLater(chunk: Uint8Array, text: Uint8Array, last: boolean): Uint8Array | undefined {
  for (let i = 0; i < text.length && text[i] !== SLASH; i++) {
    const left = matchChunk(chunk, text.subarray(i + 1))
    if (left && (!last || left.length === 0)) return left
  }
  return undefined
}

/** What is left of the text after the chunk, or undefined; a mismatch still reads the chunk to its end for errors. */
function matchChunk(chunk: Uint8Array, text: Uint8Array): Uint8Array | undefined {
  let left: Uint8Array | undefined = text
  for (let i = 0; i < chunk.length; ) {
    if (left?.length === 0) left = undefined
    if (chunk[i] === OPEN) {
      const rune: { code: number; width: number } | undefined = left && decodeRune(left, 0)
      const set = readSet(chunk, i + 1, rune?.code)
      left = rune && set.matches ? left!.subarray(rune.width) : undefined
      i = set.end
    } else if (chunk[i] === QUESTION) {
      left = left && left[0] !== SLASH ? left.subarray(decodeRune(left, 0).width) : undefined
      i++
    } else {
      if (chunk[i] === BACKSLASH && ++i === chunk.length) throw new BadPattern()
      left = left && left[0] === chunk[i] ? left.subarray(1) : undefined
      i++
    }
  }
  return left
}

function readSet(chunk: Uint8Array, from: number, code: number | undefined): { end: number; matches: boolean } {
  let i = from
  const negated = chunk[i] === CARET
  if (negated) i++
  let matches = false
  for (let count = 0; ; count++) {
    if (chunk[i] === CLOSE && count > 0) return { end: i + 1, matches: matches !== negated }
    const low = readSetRune(chunk, i)
    i = low.end
    let high = low.code
    if (chunk[i] === DASH) {
      const to = readSetRune(chunk, i + 1)
      high = to.code
      i = to.end
    }
    if (code !== undefined && low.code <= code && code <= high) matches = true
  }
}

function readSetRune(chunk: Uint8Array, from: number): { code: number; end: number } {
  let i = from
  if (i >= chunk.length || chunk[i] === DASH || chunk[i] === CLOSE) throw new BadPattern()
  if (chunk[i] === BACKSLASH && ++i >= chunk.length) throw new BadPattern()
  const { code, width } = decodeRune(chunk, i)
  // A set must still be closed after this.
  if ((code === 0xfffd && width === 1) || i + width >= chunk.length) throw new BadPattern()
  return { code, end: i + width }
}

/** The character at a place; a byte that starts none counts alone as U+FFFD. */
function decodeRune(bytes: Uint8Array, at: number): { code: number; width: number } {
  const first = bytes[at]!
  if (first < 0x80) return { code: first, width: 1 }
  const width = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  const tail = bytes.subarray(at + 1, at + width)
  const code = tail.reduce((c, b) => (c << 6) | (b & 0x3f), first & (0xff >> (width + 1)))
  const least = [0, 0, 0x80, 0x800, 0x10000][width]!
  const valid =
    first >= 0xc2 &&
    first <= 0xf4 &&
    tail.length === width - 1 &&
    tail.every((b) => (b & 0xc0) === 0x80) &&
    code >= least
  if (!valid || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return { code: 0xfffd, width: 1 }
  return { code, width }
}
