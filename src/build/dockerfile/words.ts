import type { EscapeToken } from './ast.js'
import { isSpace } from './go-text.js'

const WHITESPACE = /[\t\v\f\r ]+/

/** Splits at runs of blanks; what stands before a leading blank is an empty word. */
export function splitBlanks(text: string): string[] {
  return text.split(WHITESPACE)
}

/** Splits at the first run of blanks only. */
export function splitFirstBlank(text: string): [first: string, rest: string | undefined] {
  const match = WHITESPACE.exec(text)
  return match ? [text.slice(0, match.index), text.slice(match.index + match[0].length)] : [text, undefined]
}

/**
 * Splits the arguments of ARG, ENV and LABEL at blanks outside quotes. Quotes and escapes stay in the words: they are
 * removed when the words are expanded.
 */
export function splitQuoted(text: string, token: EscapeToken): string[] {
  const words: string[] = []
  let word = ''
  let inWord = false
  let quote = ''
  const end = () => {
    if (word !== '') words.push(word)
    word = ''
    inWord = false
  }
  for (let i = 0; i < text.length; i++) {
    const ch = text[i]!
    if (quote === '' && isSpace(ch)) {
      if (inWord) end()
      continue
    }
    inWord = true
    const last = i + 1 === text.length
    if (ch === token && quote !== "'") {
      // An escape at the very end escapes nothing and disappears.
      if (!last) word += ch + text[++i]!
      continue
    }
    if (ch === quote) quote = ''
    else if (quote === '' && (ch === "'" || ch === '"')) quote = ch
    word += ch
  }
  if (inWord) end()
  return words
}
