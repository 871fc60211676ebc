/**
 * Patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `?` is one character, `*` any number, neither matches a newline; a
 * backslash takes the meaning from `*`, `?` and itself. There are no brackets.
 */
type Token = 'one' | 'many' | { literal: string }

/** Why a pattern can't be used. */
export interface PatternProblem {
  problem: string
}

/** Removes the shortest or longest match of a pattern from an end of a value. */
export function trimMatch(
  value: string,
  pattern: string,
  side: 'start' | 'end',
  longest: boolean,
): string | PatternProblem {
  const tokens = parsePattern(pattern)
  if (!Array.isArray(tokens)) return tokens
  const chars = [...value]
  if (side === 'end') {
    chars.reverse()
    tokens.reverse()
  }
  const match = new RegExp(`^(?:${source(tokens, longest)})`, 'u').exec(chars.join(''))
  if (!match) return value
  const left = chars.slice([...match[0]].length)
  return (side === 'end' ? left.reverse() : left).join('')
}

/** Replaces the first, or every, longest match of a pattern. */
export function replaceMatches(
  value: string,
  pattern: string,
  replacement: string,
  all: boolean,
): string | PatternProblem {
  const tokens = parsePattern(pattern)
  if (!Array.isArray(tokens)) return tokens
  const regexp = new RegExp(source(tokens, true), 'gu')
  let out = ''
  let from = 0
  let lastEnd = -1
  for (const match of value.matchAll(regexp)) {
    const end = match.index + match[0].length
    // An empty match right after another one is not a match of its own (Go's rule).
    if (match[0] === '' && match.index === lastEnd) continue
    out += value.slice(from, match.index) + replacement
    from = end
    lastEnd = end
    if (!all) break
  }
  return out + value.slice(from)
}

function parsePattern(pattern: string): Token[] | PatternProblem {
  const tokens: Token[] = []
  const chars = [...pattern]
  for (let i = 0; i < chars.length; i++) {
    const ch = chars[i]!
    if (ch === '*') {
      if (tokens.at(-1) !== 'many') tokens.push('many')
    } else if (ch === '?') tokens.push('one')
    else if (ch !== '\\') tokens.push({ literal: ch })
    else {
      const next = chars[i + 1]
      // `}` and `/` must be escaped inside ${}; the backslash is not part of the pattern.
      if (next === '}' || next === '/') continue
      if (next !== '*' && next !== '?' && next !== '\\') return { problem: `invalid escape '\\${next ?? ''}'` }
      tokens.push({ literal: next })
      i++
    }
  }
  return tokens
}

function source(tokens: readonly Token[], greedy: boolean): string {
  return tokens
    .map((t) => {
      if (t === 'one') return '[^\\n]'
      if (t === 'many') return greedy ? '[^\\n]*' : '[^\\n]*?'
      return t.literal.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
    })
    .join('')
}
