/** Whether a path fits a pattern by itself. */
export type PathTest = (path: string) => boolean

/**
 * Compiles one pattern of `.dockerignore`: `*` and `?` stay within a name, `**` is any number of names, `[…]` a set,
 * a backslash takes the next character's meaning.
 *
 * @throws SyntaxError for a set that can't be compiled
 * @see moby/patternmatcher, Pattern.compile: forms without a wildcard, and those that only start or end with `**`, are
 * compared as plain text, which decides some corners (`abc/**` does not match `abc`, `**.go` matches any end)
 */
export function compilePattern(pattern: string): PathTest {
  const { regexp, kind } = translate(pattern)
  switch (kind) {
    case 'exact':
      return (path) => path === pattern
    case 'prefix':
      return (path) => path.startsWith(pattern.slice(0, -2))
    case 'suffix': {
      const suffix = pattern.slice(2)
      return (path) => path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1))
    }
    default: {
      const compiled = new RegExp(`^${regexp}$`, 'u')
      return (path) => compiled.test(path)
    }
  }
}

type Kind = 'exact' | 'prefix' | 'suffix' | 'regexp'

function translate(pattern: string): { regexp: string; kind: Kind } {
  const chars = [...pattern]
  let regexp = ''
  let kind: Kind = 'exact'
  for (let i = 0, step = 0; i < chars.length; step++) {
    const ch = chars[i++]!
    if (ch === '*' && chars[i] === '*') {
      i++
      if (chars[i] === '/') i++
      if (i === chars.length) {
        if (kind === 'exact') kind = 'prefix'
        else {
          regexp += '[^\\n]*'
          kind = 'regexp'
        }
      } else {
        regexp += '(?:[^\\n]*/)?'
        kind = 'regexp'
      }
      if (step === 0) kind = 'suffix'
    } else if (ch === '*' || ch === '?') {
      regexp += ch === '*' ? '[^/]*' : '[^/]'
      kind = 'regexp'
    } else if (ch === '\\') {
      const next = chars[i++]
      regexp += literal(next ?? '\\')
      if (next !== undefined) kind = 'regexp'
    } else if (ch === '[') {
      const set = readSet(chars, i)
      regexp += set.regexp
      i = set.end
      kind = 'regexp'
    } else {
      if (ch === ']') kind = 'regexp'
      regexp += literal(ch)
    }
  }
  return { regexp, kind }
}

/** A set as a regular expression's. */
function readSet(chars: string[], from: number): { regexp: string; end: number } {
  let i = from
  let out = '['
  if (chars[i] === '^') out += chars[i++]!
  for (let first = true; i < chars.length && (first || chars[i] !== ']'); first = false) {
    const ch = chars[i++]!
    if (ch === '\\' && i < chars.length) out += inSet(chars[i++]!)
    else out += ch === '-' ? '-' : inSet(ch)
  }
  if (i >= chars.length) throw new SyntaxError('set is not closed')
  return { regexp: `${out}]`, end: i + 1 }
}

function inSet(ch: string): string {
  return /[\\\]^[-]/.test(ch) ? `\\${ch}` : ch
}

function literal(ch: string): string {
  return ch.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
}
