/**
 * Patterns of the shell. Quoted characters come with a backslash before them, so that they mean themselves.
 *
 * @see POSIX.1-2017, XCU 2.13
 */

const CLASSES: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  blank: ' \\t',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '\\x21-\\x7e',
  lower: 'a-z',
  print: '\\x20-\\x7e',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\s',
  upper: 'A-Z',
  xdigit: '0-9A-Fa-f',
}

const cache = new Map<string, RegExp>()

/** A pattern as a regular expression for a whole text. */
export function patternRegExp(pattern: string): RegExp {
  let known = cache.get(pattern)
  if (!known) {
    known = new RegExp(`^${patternSource(pattern)}$`, 's')
    if (cache.size > 500) cache.clear()
    cache.set(pattern, known)
  }
  return known
}

/** The same for use inside another expression. @param lazy `*` takes as little as it can */
export function patternSource(pattern: string, lazy = false): string {
  let out = ''
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!
    if (c === '\\' && i + 1 < pattern.length) out += escapeRegExp(pattern[++i]!)
    else if (c === '*') out += lazy ? '.*?' : '.*'
    else if (c === '?') out += '.'
    else if (c === '[') {
      const bracket = bracketAt(pattern, i)
      if (bracket) {
        out += bracket.source
        i = bracket.end
      } else out += '\\['
    } else out += escapeRegExp(c)
  }
  return out
}

/** A text that matches only itself. */
export function escapePattern(text: string): string {
  return text.replace(/[\\*?[\]!^-]/g, '\\$&')
}

/** True where an unquoted special character is in it. */
export function hasPattern(pattern: string): boolean {
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]
    if (c === '\\') i++
    else if (c === '*' || c === '?' || (c === '[' && bracketAt(pattern, i))) return true
  }
  return false
}

/** The text that a pattern without special characters stands for. */
export function unescapePattern(pattern: string): string {
  return pattern.replace(/\\(.)/gs, '$1')
}

export function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}

/** A bracket expression: its source, and where its `]` is; undefined where it never closes. @param not what negates it */
export function bracketAt(
  pattern: string,
  start: number,
  not: '!' | '^' = '!',
): { source: string; end: number } | undefined {
  let i = start + 1
  let source = '['
  if (pattern[i] === not) {
    source += '^'
    i++
  }
  for (let first = true; ; first = false) {
    const c = pattern[i]
    if (c === undefined) return undefined
    if (c === ']' && !first) break
    const named = /^\[([:.=])(.*?)\1\]/s.exec(pattern.slice(i))
    if (named) {
      const inside = named[1] === ':' ? CLASSES[named[2]!] : escapeClass(named[2]!)
      if (inside === undefined) return undefined
      source += inside
      i += named[0].length
      continue
    }
    let from = c
    if (c === '\\' && i + 1 < pattern.length) from = pattern[++i]!
    i++
    let to = pattern[i + 1]
    if (pattern[i] === '-' && to !== undefined && to !== ']') {
      i += 2
      if (to === '\\' && pattern[i] !== undefined) to = pattern[i++]!
      // A range that runs backwards holds nothing.
      if (from <= to) source += `${escapeClass(from)}-${escapeClass(to)}`
      continue
    }
    source += escapeClass(from)
  }
  if (source === '[') return { source: '(?!)', end: i }
  return { source: `${source}]`, end: i }
}

function escapeClass(text: string): string {
  return text.replace(/[\\\]^[-]/g, '\\$&')
}

/** What is left of a text after the smallest or largest match of a pattern at one of its ends is gone. */
export function trimPattern(text: string, pattern: string, end: 'prefix' | 'suffix', largest: boolean): string {
  const whole = patternRegExp(pattern)
  const { length } = text
  const cuts = end === 'prefix' ? (i: number) => text.slice(0, i) : (i: number) => text.slice(length - i)
  for (let n = 0; n <= length; n++) {
    const size = largest ? length - n : n
    if (whole.test(cuts(size))) return end === 'prefix' ? text.slice(size) : text.slice(0, length - size)
  }
  return text
}
