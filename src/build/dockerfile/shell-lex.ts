import type { EscapeToken } from './ast.js'
import { fault } from './fault.js'
import { isSpace, quote } from './go-text.js'
import { applyModifier, Failure, replaceIn, unsupported } from './shell-modifier.js'
import { WordList } from './word-list.js'

/** Where a variable's value comes from; undefined where it is not set. */
export type Lookup = (name: string) => string | undefined

export interface ExpandOptions {
  escape?: EscapeToken
  /** Quotes stay in the result. */
  rawQuotes?: boolean
  /** Escape characters stay in the result. */
  rawEscapes?: boolean
  /** Quotes mean nothing: content of a here-document. */
  ignoreQuotes?: boolean
  /** References to unset variables stay as they are. */
  keepUnset?: boolean
}

/** What a word becomes. */
export interface Expansion {
  text: string
  /** The text split at blanks that were neither quoted nor escaped. */
  words: string[]
  /** Names that were looked up and found, or not. */
  matched: Set<string>
  unmatched: Set<string>
}

/**
 * Replaces variables and removes quotes and escapes.
 *
 * @throws TsboxError E_DOCKERFILE for an unclosed quote or brace, an unknown modifier, an unset `${v:?}`
 * @see Dockerfile reference, "Environment replacement"; moby/buildkit frontend/dockerfile/shell
 */
export function expand(word: string, env: Lookup, options: ExpandOptions = {}): Expansion {
  const lexer = new ShellLexer(word, env, options)
  try {
    const { text, words } = lexer.until('')
    return { text, words, matched: lexer.matched, unmatched: lexer.unmatched }
  } catch (err) {
    if (!(err instanceof Failure)) throw err
    throw fault(`failed to process ${quote(word)}: ${err.message}`, err.hint)
  }
}

/** Whether a word holds nothing to replace or to remove, as most do. */
export function isPlain(word: string): boolean {
  return !/[$'"\\`<]/.test(word)
}

/** {@link expand}, only the text. */
export function expandWord(word: string, env: Lookup, options: ExpandOptions = {}): string {
  if (isPlain(word)) return word
  return expand(word, env, options).text
}

/** {@link expand}, only the words. */
export function expandWords(word: string, env: Lookup, options: ExpandOptions = {}): string[] {
  return expand(word, env, options).words
}

/** `${…}` inside `${…}`: a file from a stranger must not overflow the stack. */
const MAX_NESTING = 100

class ShellLexer {
  readonly matched = new Set<string>()
  readonly unmatched = new Set<string>()
  readonly #chars: string[]
  readonly #env: Lookup
  readonly #options: ExpandOptions
  readonly #escape: string
  #rawEscapes: boolean
  #at = 0
  #depth = 0

  constructor(word: string, env: Lookup, options: ExpandOptions) {
    this.#chars = [...word]
    this.#env = env
    this.#options = options
    this.#escape = options.escape ?? '\\'
    this.#rawEscapes = options.rawEscapes ?? false
  }

  /** Reads up to `stop`, which is consumed; `''` is the end of the text. */
  until(stop: string, rawEscapes = this.#rawEscapes): { text: string; words: string[] } {
    const before = this.#rawEscapes
    this.#rawEscapes = rawEscapes
    if (++this.#depth > MAX_NESTING) throw new Failure(`variables are nested deeper than ${MAX_NESTING} levels`)
    try {
      return this.#read(stop)
    } finally {
      this.#depth--
      this.#rawEscapes = before
    }
  }

  #read(stop: string): { text: string; words: string[] } {
    let text = ''
    const list = new WordList()
    const raw = (piece: string) => {
      text += piece
      list.raw(piece)
    }
    while (this.#at < this.#chars.length) {
      const ch = this.#chars[this.#at]!
      if (ch === stop) {
        this.#at++
        return { text, words: list.end() }
      }
      if (ch === '$') {
        const value = this.#dollar()
        text += value
        list.plain(value)
      } else if (ch === "'" && !this.#options.ignoreQuotes) raw(this.#single())
      else if (ch === '"' && !this.#options.ignoreQuotes) raw(this.#double())
      else if (ch === '<') raw(this.#redirection())
      else if (ch === this.#escape) {
        this.#at++
        if (this.#rawEscapes) raw(ch)
        const next = this.#chars[this.#at++]
        if (next !== undefined) raw(next)
      } else {
        this.#at++
        text += ch
        list.plain(ch)
      }
    }
    if (stop !== '') throw new Failure(`unexpected end of statement while looking for matching ${stop}`)
    return { text, words: list.end() }
  }

  /** `<<  EOF` is one word, so that a here-document may have blanks before its name. */
  #redirection(): string {
    let out = this.#chars[this.#at++]!
    if (this.#chars[this.#at] !== '<') return out
    out += this.#chars[this.#at++]!
    while (this.#at < this.#chars.length && isSpace(this.#chars[this.#at]!)) out += this.#chars[this.#at++]!
    return out
  }

  #single(): string {
    const end = this.#chars.indexOf("'", this.#at + 1)
    if (end < 0)
      throw new Failure(
        'unexpected end of statement while looking for matching single-quote',
        "close the ' or escape it",
      )
    const inner = this.#chars.slice(this.#at + 1, end).join('')
    this.#at = end + 1
    return this.#options.rawQuotes ? `'${inner}'` : inner
  }

  #double(): string {
    let out = this.#options.rawQuotes ? '"' : ''
    this.#at++
    while (this.#at < this.#chars.length) {
      const ch = this.#chars[this.#at]!
      if (ch === '$') {
        out += this.#dollar()
        continue
      }
      this.#at++
      if (ch === '"') return this.#options.rawQuotes ? `${out}"` : out
      if (ch !== this.#escape) {
        out += ch
        continue
      }
      if (this.#rawEscapes) out += ch
      const next = this.#chars[this.#at]
      if (next === undefined) break
      // Only these can be escaped in double quotes; before others the escape character stays.
      if (next === '"' || next === '$' || next === this.#escape) {
        out += next
        this.#at++
      } else out += ch
    }
    throw new Failure('unexpected end of statement while looking for matching double-quote', 'close the " or escape it')
  }

  #dollar(): string {
    this.#at++
    if (this.#chars[this.#at] === '{') return this.#braces()
    const name = this.#name()
    if (name === '') return '$'
    const value = this.#value(name)
    return value ?? (this.#options.keepUnset ? `$${name}` : '')
  }

  #braces(): string {
    this.#at++
    const first = this.#chars[this.#at]
    if (first === undefined) throw new Failure("syntax error: missing '}'")
    if ('{}:'.includes(first)) throw new Failure('syntax error: bad substitution', 'write ${NAME}')
    const name = this.#name()
    const ch = this.#chars[this.#at++]
    if (ch === undefined) throw new Failure("syntax error: missing '}'", `write \${${name}}`)
    if (ch === '}') {
      const value = this.#value(name)
      return value ?? (this.#options.keepUnset ? `\${${name}}` : '')
    }
    if (ch === '/') return this.#replacement(name)
    const modifier = ch === ':' ? (this.#chars[this.#at++] ?? '') : ch
    if (ch !== ':' && !'+-?#%'.includes(ch)) throw unsupported(ch)
    return this.#modified(name, ch === ':' ? `:${modifier}` : modifier, modifier)
  }

  #modified(name: string, written: string, modifier: string): string {
    const word = this.#part('}', modifier === '#' || modifier === '%')
    const value = this.#value(name)
    if (value === undefined && this.#options.keepUnset) return `\${${name}${written}${word}}`
    return applyModifier({ name, written, modifier, word, value })
  }

  #replacement(name: string): string {
    const all = this.#chars[this.#at] === '/'
    if (all) this.#at++
    const pattern = this.#part('/', true)
    const replacement = this.#part('}', true)
    const value = this.#value(name)
    if (value === undefined && this.#options.keepUnset) return `\${${name}/${pattern}/${replacement}}`
    return replaceIn(value ?? '', pattern, replacement, all)
  }

  /** The part of `${…}` up to `stop`. */
  #part(stop: string, rawEscapes: boolean): string {
    try {
      return this.until(stop, rawEscapes).text
    } catch (err) {
      if (!(err instanceof Failure) || this.#at < this.#chars.length) throw err
      throw new Failure(stop === '/' ? "syntax error: missing '/' in ${}" : "syntax error: missing '}'")
    }
  }

  /** A name: letters, digits and `_`; or digits alone; or one character that is special to a shell. */
  #name(): string {
    const first = this.#chars[this.#at]
    if (first === undefined) return ''
    if ('@*#?-$!'.includes(first)) {
      this.#at++
      return first
    }
    const belongs = isDigit(first) ? isDigit : isWord
    let name = ''
    while (this.#at < this.#chars.length && belongs(this.#chars[this.#at]!)) name += this.#chars[this.#at++]!
    return name
  }

  #value(name: string): string | undefined {
    const value = this.#env(name)
    if (value === undefined) this.unmatched.add(name)
    else this.matched.add(name)
    return value
  }
}

// The tables of Unicode's classes take a millisecond to set up, and nearly all names are ASCII.
function isDigit(ch: string): boolean {
  return ch < '\x80' ? ch >= '0' && ch <= '9' : /\p{Nd}/u.test(ch)
}

function isWord(ch: string): boolean {
  return ch < '\x80' ? /\w/.test(ch) : /[\p{L}\p{Nd}]/u.test(ch)
}
