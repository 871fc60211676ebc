/** Go's notions of text where BuildKit's behaviour depends on them. */

const SPACE = /^[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/

/** Go's `unicode.IsSpace` for one character. */
export function isSpace(ch: string): boolean {
  return SPACE.test(ch)
}

/** Go's `strings.TrimLeftFunc(s, unicode.IsSpace)`. */
export function trimStart(text: string): string {
  let from = 0
  while (from < text.length && isSpace(text[from]!)) from++
  return text.slice(from)
}

/** Go's `strings.TrimSpace`. */
export function trimSpace(text: string): string {
  let to = text.length
  while (to > 0 && isSpace(text[to - 1]!)) to--
  return trimStart(text.slice(0, to))
}

const SHORT: Record<string, string> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
}

/** Go's `strconv.Quote`: the text in double quotes, what does not print escaped. */
export function quote(text: string): string {
  let out = '"'
  for (const ch of text) out += SHORT[ch] ?? (/^[ \p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(ch) ? ch : escaped(ch))
  return `${out}"`
}

function escaped(ch: string): string {
  const code = ch.codePointAt(0)!
  if (code >= 0xd800 && code < 0xe000) return '\\ufffd'
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`
  return `\\U${code.toString(16).padStart(8, '0')}`
}

/** Go's `strconv.ParseBool`; undefined for anything else. */
export function parseBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
  return undefined
}

/** Splits at the first `separator`: the parts around it, and whether it was there. */
export function cut(text: string, separator: string): [before: string, after: string, found: boolean] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, '', false] : [text.slice(0, at), text.slice(at + separator.length), true]
}
