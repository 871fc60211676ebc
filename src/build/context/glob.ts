import { TsboxError } from '../../base/error.js'

/** One step of a pattern: a run of stars, then what must follow them. */
type Piece = { star: boolean; chunk: string[] }

/** Thrown inside for a malformed pattern; what leaves this file names the pattern. */
class BadPattern extends Error {}

/**
 * Go's `filepath.Match` on Unix: the whole name must match. `*` and `?` don't match `/`; `[a-c]`, `[^x]` and `\` have
 * their meaning.
 *
 * @throws TsboxError E_PATTERN for a malformed pattern, whether or not it got that far
 * @see https://pkg.go.dev/path/filepath#Match
 */
export function matchGlob(pattern: string, name: string): boolean {
  try {
    return match(pattern, name)
  } catch (err) {
    if (!(err instanceof BadPattern)) throw err
    throw new TsboxError('E_PATTERN', `wildcard: syntax error in pattern "${pattern}"`, {
      hint: 'close the [ or write \\[ for the character itself',
    })
  }
}

/** Throws what {@link matchGlob} would. */
export function checkGlob(pattern: string): void {
  matchGlob(pattern, '.')
}

function match(pattern: string, name: string): boolean {
  let rest = [...pattern]
  let text = [...name]
  while (rest.length > 0) {
    const { star, chunk, after } = nextPiece(rest)
    rest = after
    if (star && chunk.length === 0) return !text.includes('/')
    const direct = matchChunk(chunk, text)
    // The last chunk must use up the name, or another try with the star may.
    if (direct && (direct.length === 0 || rest.length > 0)) {
      text = direct
      continue
    }
    const found = star ? tryLater(chunk, text, rest.length === 0) : undefined
    if (found) {
      text = found
      continue
    }
    // Go still checks the rest of the pattern for errors before it says no.
    checkSyntax(rest)
    return false
  }
  return text.length === 0
}

function nextPiece(pattern: string[]): Piece & { after: string[] } {
  let from = 0
  while (pattern[from] === '*') from++
  let inRange = false
  let to = from
  for (; to < pattern.length; to++) {
    const ch = pattern[to]
    if (ch === '\\') {
      if (to + 1 < pattern.length) to++
    } else if (ch === '[') inRange = true
    else if (ch === ']') inRange = false
    else if (ch === '*' && !inRange) break
  }
  return { star: from > 0, chunk: pattern.slice(from, to), after: pattern.slice(to) }
}

function tryLater(chunk: string[], text: string[], last: boolean): string[] | undefined {
  for (let i = 0; i < text.length && text[i] !== '/'; i++) {
    const left = matchChunk(chunk, text.slice(i + 1))
    if (left && (!last || left.length === 0)) return left
  }
  return undefined
}

function checkSyntax(pattern: string[]): void {
  let rest = pattern
  while (rest.length > 0) {
    const { chunk, after } = nextPiece(rest)
    matchChunk(chunk, [])
    rest = after
  }
}

/** What is left of the text after the chunk, or undefined; a mismatch still reads the chunk to its end for errors. */
function matchChunk(chunk: string[], text: string[]): string[] | undefined {
  let failed = false
  let at = 0
  for (let i = 0; i < chunk.length; ) {
    if (!failed && at === text.length) failed = true
    const ch = chunk[i]!
    if (ch === '[') {
      const set = readSet(chunk, i + 1, failed ? '' : text[at]!)
      i = set.end
      if (!failed) at++
      if (!set.matches) failed = true
      continue
    }
    if (ch === '?') {
      if (!failed && text[at] === '/') failed = true
      at++
      i++
      continue
    }
    if (ch === '\\') {
      i++
      if (i === chunk.length) throw new BadPattern()
    }
    if (!failed && chunk[i] !== text[at]) failed = true
    at++
    i++
  }
  return failed ? undefined : text.slice(at)
}

function readSet(chunk: string[], from: number, ch: string): { end: number; matches: boolean } {
  let i = from
  const negated = chunk[i] === '^'
  if (negated) i++
  let matches = false
  for (let count = 0; ; count++) {
    if (chunk[i] === ']' && count > 0) return { end: i + 1, matches: matches !== negated }
    const low = readSetChar(chunk, i)
    i = low.end
    let high = low.ch
    if (chunk[i] === '-') {
      const to = readSetChar(chunk, i + 1)
      high = to.ch
      i = to.end
    }
    if (ch !== '' && codeOf(low.ch) <= codeOf(ch) && codeOf(ch) <= codeOf(high)) matches = true
  }
}

function readSetChar(chunk: string[], from: number): { ch: string; end: number } {
  let i = from
  if (i >= chunk.length || chunk[i] === '-' || chunk[i] === ']') throw new BadPattern()
  if (chunk[i] === '\\') {
    i++
    if (i >= chunk.length) throw new BadPattern()
  }
  // A set must still be closed after this.
  if (i + 1 >= chunk.length) throw new BadPattern()
  return { ch: chunk[i]!, end: i + 1 }
}

function codeOf(ch: string): number {
  return ch.codePointAt(0)!
}
