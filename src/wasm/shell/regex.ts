import { ToolError } from './command.js'
import { bracketAt, escapeRegExp } from './expand/pattern.js'

/**
 * A regular expression of POSIX as one of JavaScript, with GNU's additions (`\+ \? \|` in basic ones, `\w \s \b \< \>`).
 * Alternatives are tried from the left, where POSIX wants the longest: of `a|ab` the first that leads on is taken.
 *
 * @throws {ToolError}
 * @see POSIX.1-2017, XBD 9
 */
export function regexSource(text: string, extended: boolean, status = 2): string {
  return new Translator(text, extended, status).run()
}

class Translator {
  readonly #text: string
  readonly #extended: boolean
  readonly #status: number
  #at = 0
  #depth = 0
  #groups = 0

  constructor(text: string, extended: boolean, status: number) {
    this.#text = text
    this.#extended = extended
    this.#status = status
  }

  run(): string {
    let out = ''
    // Where a star would be a character of its own.
    let start = true
    while (this.#at < this.#text.length) {
      const { source, begins } = this.#next(start)
      out += source
      start = begins
    }
    if (this.#depth > 0) this.#fail('Unmatched ( or \\(')
    return out
  }

  #fail(message: string): never {
    throw new ToolError(message, this.#status)
  }

  #next(start: boolean): { source: string; begins: boolean } {
    const text = this.#text
    const c = text[this.#at++]!
    if (c === '\\') return this.#escape()
    if (c === '[') return { source: this.#bracket(), begins: false }
    if (c === '.') return { source: '[^]', begins: false }
    if (c === '*') {
      if (start) return { source: '\\*', begins: false }
      return { source: this.#repeat('*'), begins: false }
    }
    if (c === '^') {
      const anchors = this.#extended || start
      return anchors ? { source: '^', begins: true } : { source: '\\^', begins: false }
    }
    if (c === '$') {
      const rest = text.slice(this.#at)
      const ends = this.#extended || rest === '' || rest.startsWith('\\)') || rest.startsWith('\\|')
      return { source: ends ? '$' : '\\$', begins: false }
    }
    if (this.#extended) return this.#special(c, start)
    return { source: escapeRegExp(c), begins: false }
  }

  #special(c: string, start: boolean): { source: string; begins: boolean } {
    switch (c) {
      case '(':
        return this.#open()
      case ')':
        return this.#depth > 0 ? this.#close() : { source: '\\)', begins: false }
      case '|':
        return { source: '|', begins: true }
      case '+':
      case '?':
        return { source: start ? `\\${c}` : this.#repeat(c), begins: false }
      case '{': {
        const count = /^(\d*)(,?)(\d*)\}/.exec(this.#text.slice(this.#at))
        if (start || !count || (count[1] === '' && count[2] === '')) return { source: '\\{', begins: false }
        this.#at += count[0].length
        return { source: this.#counted(count), begins: false }
      }
      default:
        return { source: escapeRegExp(c), begins: false }
    }
  }

  /** Repetition of a repetition means the same as one star of both. */
  #repeat(mark: string): string {
    let kind = mark
    for (;;) {
      const next = this.#text[this.#at]
      if (!(next === '*' || (this.#extended && (next === '+' || next === '?')))) return kind
      kind = kind === next ? kind : '*'
      this.#at++
    }
  }

  #counted(count: RegExpExecArray): string {
    const [, from, comma, to] = count
    if (to !== '' && Number(from || 0) > Number(to)) this.#fail('Invalid content of \\{\\}')
    return `{${from || '0'}${comma}${to}}`
  }

  #open(): { source: string; begins: boolean } {
    this.#depth++
    this.#groups++
    return { source: '(', begins: true }
  }

  #close(): { source: string; begins: boolean } {
    if (this.#depth === 0) this.#fail('Unmatched ) or \\)')
    this.#depth--
    return { source: ')', begins: false }
  }

  /** In a regular expression's brackets a backslash is an ordinary character. */
  #bracket(): string {
    const end = bracketEnd(this.#text, this.#at)
    if (end >= this.#text.length) return this.#fail('Unmatched [, [^, [:, [., or [=')
    const inner = this.#text.slice(this.#at, end).replaceAll('\\', '\\\\')
    this.#at = end + 1
    return bracketAt(`[${inner}]`, 0, '^')?.source ?? '(?!)'
  }

  #escape(): { source: string; begins: boolean } {
    const c = this.#text[this.#at++]
    if (c === undefined) return this.#fail('Trailing backslash')
    if (!this.#extended) {
      if (c === '(') return this.#open()
      if (c === ')') return this.#close()
      if (c === '|') return { source: '|', begins: true }
      if (c === '+' || c === '?') return { source: c, begins: false }
      if (c === '{') {
        const count = /^(\d*)(,?)(\d*)\\\}/.exec(this.#text.slice(this.#at))
        if (!count || (count[1] === '' && count[2] === '')) return this.#fail('Unmatched \\{')
        this.#at += count[0].length
        return { source: this.#counted(count), begins: false }
      }
    }
    if (/[1-9]/.test(c)) {
      if (Number(c) > this.#groups) this.#fail('Invalid back reference')
      return { source: `(?:\\${c})`, begins: false }
    }
    const known: Readonly<Record<string, string>> = {
      w: '[0-9A-Za-z_]',
      W: '[^0-9A-Za-z_]',
      s: '\\s',
      S: '\\S',
      b: '\\b',
      B: '\\B',
      '<': '\\b(?=[0-9A-Za-z_])',
      '>': '\\b(?<=[0-9A-Za-z_])',
      '`': '^',
      "'": '$',
      n: '\\n',
      t: '\\t',
    }
    return { source: known[c] ?? escapeRegExp(c), begins: false }
  }
}

/** Where the bracket expression that begins before `at` closes. */
function bracketEnd(text: string, at: number): number {
  let i = at
  if (text[i] === '^') i++
  if (text[i] === ']') i++
  for (; i < text.length; i++) {
    if (text[i] === ']') return i
    const named = /^\[([:.=]).*?\1\]/s.exec(text.slice(i))
    if (named) i += named[0].length - 1
  }
  return text.length
}
