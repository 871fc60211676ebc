import type { EscapeToken } from './ast.js'
import { isSpace, trimSpace } from './go-text.js'
import { splitFirstBlank } from './words.js'

/** A logical line, taken apart. */
export interface CommandLine {
  /** The instruction as written. */
  keyword: string
  flags: string[]
  /** What follows the flags, trimmed. */
  rest: string
}

/** Takes a logical line apart: the instruction, the words with `--` that follow it, the rest. */
export function splitCommand(line: string, token: EscapeToken): CommandLine {
  const [keyword, after] = splitFirstBlank(trimSpace(line))
  if (after === undefined) return { keyword, flags: [], rest: '' }
  const { flags, rest } = takeFlags(after, token)
  return { keyword, flags, rest: trimSpace(rest) }
}

/**
 * Takes leading words that start with `--`; a lone `--` ends them and is dropped. Quotes and escapes are removed from
 * flags here, because no flag is expanded as a whole.
 */
function takeFlags(text: string, token: EscapeToken): { flags: string[]; rest: string } {
  const flags: string[] = []
  let at = 0
  while (at < text.length) {
    while (at < text.length && isSpace(text[at]!)) at++
    if (!text.startsWith('--', at)) return { flags, rest: text.slice(at) }
    const word = readWord(text, at, token)
    at = word.end
    if (word.text === '--') return { flags, rest: text.slice(at) }
    flags.push(word.text)
  }
  return { flags, rest: '' }
}

function readWord(text: string, from: number, token: EscapeToken): { text: string; end: number } {
  let word = ''
  let quote = ''
  let at = from
  for (; at < text.length; at++) {
    const ch = text[at]!
    if (quote === '' && isSpace(ch)) break
    if (ch === quote) quote = ''
    else if (quote === '' && (ch === '"' || ch === "'")) quote = ch
    else if (ch !== token) word += ch
    else if (at + 1 < text.length) word += text[++at]!
  }
  return { text: word, end: at }
}
