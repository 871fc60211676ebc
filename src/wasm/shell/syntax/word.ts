import type { List, Parameter, Word, WordPart } from './ast.js'
import { Cursor } from './cursor.js'

/** What ends an unquoted word. */
const BREAKS = new Set([' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')', ''])
const NAME_START = /[A-Za-z_]/
const NAME = /[A-Za-z0-9_]/
const SPECIAL = new Set([...'@*#?-$!0123456789'])

/** Parses commands, for `$(…)`; given by the parser, which stands above. */
export type ParseCommands = (cursor: Cursor, end: ')' | '`') => List

/** Reads words of a script. @see POSIX.1-2017, XCU 2.2 Quoting, 2.6 Word Expansions */
export class WordReader {
  readonly #cursor: Cursor
  readonly #commands: ParseCommands

  constructor(cursor: Cursor, commands: ParseCommands) {
    this.#cursor = cursor
    this.#commands = commands
  }

  /** The word here; undefined where none begins. @param assigns it may be an assignment, whose value may begin with a tilde */
  word(assigns = false): Word | undefined {
    const cursor = this.#cursor
    if (BREAKS.has(cursor.peek())) return undefined
    const at = cursor.position()
    const parts = this.#parts((c) => BREAKS.has(c), assigns)
    return { parts, at }
  }

  /** A here-document's body, in which only `$`, backquotes and backslashes mean something. */
  document(): Word {
    const at = this.#cursor.position()
    const out = new Parts()
    for (;;) {
      const c = this.#cursor.peek()
      if (c === '') break
      if (c === '"') {
        this.#cursor.next()
        out.text('"', true)
      } else this.#inDoubleQuotes(out)
    }
    return { parts: out.list, at }
  }

  #parts(ends: (c: string) => boolean, assigns: boolean): WordPart[] {
    const cursor = this.#cursor
    const out = new Parts()
    if (cursor.peek() === '~') this.#tilde(out, ends)
    for (let c = cursor.peek(); c !== '' && !ends(c); c = cursor.peek()) {
      if (c === "'") this.#singleQuotes(out)
      else if (c === '"') this.#doubleQuotes(out)
      else if (c === '\\') {
        cursor.next()
        const next = cursor.rawNext()
        if (next === '') out.text('\\', false)
        else out.text(next, true)
      } else if (c === '$') this.#dollar(out, false)
      else if (c === '`') this.#backquotes(out, false)
      else {
        cursor.next()
        out.text(c, false)
        // Of an assignment's value, and after each colon in it.
        if (assigns && (c === '=' || c === ':') && cursor.peek() === '~' && out.isAssignment)
          this.#tilde(out, (d) => d === ':' || ends(d))
      }
    }
    return out.list
  }

  #tilde(out: Parts, ends: (c: string) => boolean): void {
    const cursor = this.#cursor
    const start = cursor.offset
    cursor.next()
    let user = ''
    for (let c = cursor.peek(); !ends(c) && c !== '/' && c !== ''; c = cursor.peek()) {
      if (!/[\w.+-]/.test(c)) {
        cursor.offset = start + 1
        out.text('~', false)
        return
      }
      user += cursor.next()
    }
    out.list.push({ type: 'tilde', user })
  }

  #singleQuotes(out: Parts): void {
    const cursor = this.#cursor
    const start = cursor.offset
    cursor.next()
    const end = cursor.text.indexOf("'", cursor.offset)
    if (end < 0) cursor.fail('unterminated single quotes', start, "close them with '")
    out.text(cursor.text.slice(cursor.offset, end), true)
    cursor.offset = end + 1
  }

  #doubleQuotes(out: Parts): void {
    const cursor = this.#cursor
    const start = cursor.offset
    cursor.next()
    // Empty quotes make an empty word; around "$@" they make none.
    if (cursor.peek() === '"') out.text('', true)
    while (cursor.peek() !== '"') {
      if (cursor.atEnd) cursor.fail('unterminated double quotes', start, 'close them with "')
      this.#inDoubleQuotes(out)
    }
    cursor.next()
  }

  /** One piece of what stands between double quotes. */
  #inDoubleQuotes(out: Parts): void {
    const cursor = this.#cursor
    const c = cursor.peek()
    if (c === '$') this.#dollar(out, true)
    else if (c === '`') this.#backquotes(out, true)
    else if (c === '\\') {
      cursor.next()
      const next = cursor.rawNext()
      out.text('$`"\\'.includes(next) && next !== '' ? next : `\\${next}`, true)
    } else out.text(cursor.next(), true)
  }

  #dollar(out: Parts, quoted: boolean): void {
    const cursor = this.#cursor
    const at = cursor.position()
    const start = cursor.offset
    cursor.next()
    const c = cursor.peek()
    if (c === '(') {
      if (cursor.peekSecond() === '(' && this.#arithmetic(out, quoted, start)) return
      cursor.next()
      out.list.push({ type: 'command', body: this.#commands(cursor, ')'), quoted, at })
    } else if (c === '{') this.#braces(out, quoted, start)
    else if (NAME_START.test(c)) out.list.push({ type: 'parameter', name: this.#name(), quoted, at })
    else if (SPECIAL.has(c)) out.list.push({ type: 'parameter', name: cursor.next(), quoted, at })
    else if (c === "'" && !quoted)
      cursor.fail("$'…' is not a quotation of POSIX shells", start, 'use printf, or plain quotes')
    else out.text('$', quoted)
  }

  #name(): string {
    let name = ''
    while (NAME.test(this.#cursor.peek())) name += this.#cursor.next()
    return name
  }

  /** `$((…))`; false where it turns out to be `$( (…) )`. */
  #arithmetic(out: Parts, quoted: boolean, start: number): boolean {
    const cursor = this.#cursor
    const at = cursor.position(start)
    cursor.next()
    cursor.next()
    const body = new Parts()
    for (let depth = 0; ; ) {
      const c = cursor.peek()
      if (c === '') break
      if (c === ')' && depth === 0) {
        if (cursor.peekSecond() !== ')') break
        cursor.next()
        cursor.next()
        out.list.push({ type: 'arithmetic', expression: { parts: body.list, at }, quoted, at })
        return true
      }
      if (c === '(') depth++
      if (c === ')') depth--
      if (c === '"') cursor.next()
      else this.#inDoubleQuotes(body)
    }
    cursor.offset = start + 1
    return false
  }

  #braces(out: Parts, quoted: boolean, start: number): void {
    const cursor = this.#cursor
    const at = cursor.position(start)
    cursor.next()
    const part: Parameter = { type: 'parameter', name: '', quoted, at }
    if (cursor.peek() === '#' && cursor.peekSecond() !== '}') {
      const after = cursor.peekSecond()
      // `${#-x}` and the like are forms of the parameter `#`.
      if (NAME_START.test(after) || SPECIAL.has(after)) {
        cursor.next()
        part.operator = 'length'
      }
    }
    const c = cursor.peek()
    if (/[0-9]/.test(c)) while (/[0-9]/.test(cursor.peek())) part.name += cursor.next()
    else if (SPECIAL.has(c)) part.name = cursor.next()
    else part.name = this.#name()
    if (part.name === '') this.#badSubstitution(start)
    if (part.operator === 'length') {
      if (!cursor.take('}')) this.#badSubstitution(start)
    } else if (!cursor.take('}')) this.#operator(part, start)
    out.list.push(part)
  }

  #operator(part: Parameter, start: number): void {
    const cursor = this.#cursor
    const operators = [':-', ':=', ':?', ':+', '%%', '##', '-', '=', '?', '+', '%', '#'] as const
    const operator = operators.find((o) => cursor.take(o))
    if (!operator) this.#badSubstitution(start)
    part.operator = operator
    const at = cursor.position()
    const isPattern = operator.startsWith('%') || operator.startsWith('#')
    const parts = part.quoted && !isPattern ? this.#quotedUntilBrace(start) : this.#parts((c) => c === '}', false)
    part.word = { parts, at }
    if (!cursor.take('}')) cursor.fail('missing }', start, 'every ${ needs its }')
  }

  /** The word of an expansion in double quotes: quotes within it count, and single ones do not. */
  #quotedUntilBrace(start: number): WordPart[] {
    const cursor = this.#cursor
    const out = new Parts()
    while (cursor.peek() !== '}') {
      if (cursor.atEnd) cursor.fail('missing }', start, 'every ${ needs its }')
      if (cursor.peek() === '"') this.#doubleQuotes(out)
      else if (cursor.peek() === '\\' && cursor.peekSecond() === '}') {
        cursor.next()
        out.text(cursor.next(), true)
      } else this.#inDoubleQuotes(out)
    }
    return out.list
  }

  #badSubstitution(start: number): never {
    const cursor = this.#cursor
    const end = cursor.text.indexOf('}', start)
    const shown = cursor.text.slice(start, end < 0 ? start + 20 : end + 1)
    return cursor.fail(`bad substitution: ${shown}`, start, 'POSIX has - = ? + (also with :), # ## % %% and ${#name}')
  }

  #backquotes(out: Parts, quoted: boolean): void {
    const cursor = this.#cursor
    const start = cursor.offset
    const at = cursor.position()
    cursor.next()
    let text = ''
    for (;;) {
      const c = cursor.rawNext()
      if (c === '') cursor.fail('unterminated backquotes', start, 'close them with `, or write $(…)')
      if (c === '`') break
      const next = cursor.text[cursor.offset] ?? ''
      if (c === '\\' && ('$`\\'.includes(next) || (quoted && next === '"'))) text += cursor.rawNext()
      else text += c
    }
    const inner = new Cursor(text, at.line)
    out.list.push({ type: 'command', body: this.#commands(inner, '`'), quoted, at })
  }
}

/** Joins neighbouring text. */
class Parts {
  readonly list: WordPart[] = []

  text(text: string, quoted: boolean): void {
    const last = this.list.at(-1)
    if (last?.type === 'text' && last.quoted === quoted) last.text += text
    else this.list.push({ type: 'text', text, quoted })
  }

  /** What was read begins as `name=`. */
  get isAssignment(): boolean {
    const first = this.list[0]
    return first?.type === 'text' && !first.quoted && /^[A-Za-z_][A-Za-z0-9_]*=/.test(first.text)
  }
}

/** The word's text where it is nothing but unquoted text. */
export function plainText(word: Word | undefined): string | undefined {
  const [only, more] = word?.parts ?? []
  return only?.type === 'text' && !only.quoted && !more ? only.text : undefined
}

/** The word's text where no expansion is in it, quoted or not. */
export function literalText(word: Word | undefined): string | undefined {
  if (!word) return undefined
  let out = ''
  for (const part of word.parts) {
    if (part.type !== 'text') return undefined
    out += part.text
  }
  return out
}
