import type { AndOr, Assignment, Command, List, Pipeline, Position, Redirection, SimpleCommand, Word } from './ast.js'
import { Cursor } from './cursor.js'
import { literalText, plainText, WordReader } from './word.js'

/** Words that mean something where a command begins. */
const RESERVED = new Set([
  '!',
  '{',
  '}',
  'case',
  'do',
  'done',
  'elif',
  'else',
  'esac',
  'fi',
  'for',
  'if',
  'in',
  'then',
  'until',
  'while',
])
const REDIRECTIONS = ['<<-', '<<', '<&', '<>', '<', '>>', '>&', '>|', '>'] as const
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * Parses a script.
 *
 * @param text bytes as characters
 * @param firstLine number of its first line, for messages
 * @throws {ShellSyntaxError}
 */
export function parseScript(text: string, firstLine = 1): List {
  const cursor = new Cursor(text, firstLine)
  const parser = new Parser(cursor)
  const list = parser.list()
  parser.end()
  return list
}

/** A here-document whose body is still to come. */
interface Pending {
  redirection: Redirection
  delimiter: string
  stripTabs: boolean
  expands: boolean
}

class Parser {
  readonly #cursor: Cursor
  readonly #words: WordReader
  readonly #pending: Pending[] = []

  constructor(cursor: Cursor) {
    this.#cursor = cursor
    this.#words = new WordReader(cursor, parseNested)
  }

  /** Commands up to a word that can't begin one. */
  list(): List {
    const out: List = []
    for (;;) {
      this.#newlines()
      if (!this.#beginsCommand()) return out
      const item = this.#andOr()
      out.push(item)
      this.#blanks()
      const c = this.#cursor.peek()
      if (c === '&') {
        this.#cursor.next()
        item.background = true
      } else if (c === ';' && this.#cursor.peekSecond() !== ';') this.#cursor.next()
      else if (c !== '\n') return out
    }
  }

  /** @throws {ShellSyntaxError} where anything is left */
  end(): void {
    this.#blanks()
    if (!this.#cursor.atEnd) this.#unexpected()
    this.#bodies()
  }

  #unexpected(): never {
    const cursor = this.#cursor
    const start = cursor.offset
    const word = this.#peekWord()
    const what = word ?? (cursor.atEnd ? 'end of script' : cursor.peek() === '\n' ? 'end of line' : cursor.peek())
    return cursor.fail(`syntax error: unexpected ${what === '' ? 'end' : `"${what}"`}`, start)
  }

  #blanks(): void {
    const cursor = this.#cursor
    for (;;) {
      const c = cursor.peek()
      if (c === ' ' || c === '\t') cursor.next()
      else if (c === '#') {
        while (cursor.text[cursor.offset] !== '\n' && cursor.offset < cursor.text.length) cursor.rawNext()
      } else return
    }
  }

  #newlines(): void {
    for (;;) {
      this.#blanks()
      if (this.#cursor.peek() !== '\n') return
      this.#cursor.next()
      this.#bodies()
    }
  }

  /** Reads the bodies of here-documents, which begin after the line that names them. */
  #bodies(): void {
    for (const pending of this.#pending.splice(0)) this.#body(pending)
  }

  #body({ redirection, delimiter, stripTabs, expands }: Pending): void {
    const cursor = this.#cursor
    const first = cursor.position()
    const lines: string[] = []
    for (;;) {
      if (cursor.offset >= cursor.text.length) break
      const end = cursor.text.indexOf('\n', cursor.offset)
      const raw = cursor.text.slice(cursor.offset, end < 0 ? undefined : end)
      cursor.offset = end < 0 ? cursor.text.length : end + 1
      const line = stripTabs ? raw.replace(/^\t+/, '') : raw
      if (line === delimiter) break
      lines.push(`${line}\n`)
    }
    const text = lines.join('')
    if (!expands) redirection.target = { parts: [{ type: 'text', text, quoted: true }], at: first }
    else redirection.target = new WordReader(new Cursor(text, first.line), parseNested).document()
  }

  /** The unquoted word here, without taking it. */
  #peekWord(): string | undefined {
    const { text, offset } = this.#cursor
    const match = /^(?:[^\s;&|<>()'"\\$`]|\\\n)+/.exec(text.slice(offset, offset + 64))
    return match?.[0].replaceAll('\\\n', '')
  }

  #beginsCommand(): boolean {
    const c = this.#cursor.peek()
    if (c === '' || c === ')' || c === ';' || c === '&' || c === '|') return false
    if (c === '(') return true
    const word = this.#peekWord()
    const closing = ['}', 'do', 'done', 'elif', 'else', 'esac', 'fi', 'then']
    return !(word !== undefined && closing.includes(word) && this.#isWholeWord(word))
  }

  /** Nothing that would belong to the word follows it. */
  #isWholeWord(word: string): boolean {
    const cursor = this.#cursor
    const start = cursor.offset
    cursor.take(word)
    const next = cursor.peek()
    cursor.offset = start
    return next === '' || ' \t\n;&|<>()'.includes(next)
  }

  #atReserved(word: string): boolean {
    this.#blanks()
    return this.#peekWord() === word && this.#isWholeWord(word)
  }

  #takeReserved(word: string): boolean {
    return this.#atReserved(word) && this.#cursor.take(word)
  }

  #expect(word: string): void {
    this.#newlines()
    if (!this.#takeReserved(word)) {
      const start = this.#cursor.offset
      const got = this.#cursor.atEnd ? 'the script ends' : `found "${this.#peekWord() ?? this.#cursor.peek()}"`
      this.#cursor.fail(`syntax error: "${word}" is missing: ${got.replace('\n', 'end of line')}`, start)
    }
  }

  #andOr(): AndOr {
    const at = this.#cursor.position()
    const first = this.#pipeline()
    const rest: AndOr['rest'] = []
    for (;;) {
      this.#blanks()
      const operator = this.#cursor.take('&&') ? '&&' : this.#cursor.take('||') ? '||' : undefined
      if (!operator) return { first, rest, background: false, at }
      this.#newlines()
      rest.push({ operator, pipeline: this.#pipeline() })
    }
  }

  #pipeline(): Pipeline {
    let negated = false
    while (this.#takeReserved('!')) negated = !negated
    const commands = [this.#command()]
    for (;;) {
      this.#blanks()
      if (this.#cursor.peek() !== '|' || this.#cursor.peekSecond() === '|') return { negated, commands }
      this.#cursor.next()
      if (this.#cursor.peek() === '&')
        this.#cursor.fail('|& is not in POSIX shells', this.#cursor.offset, 'write 2>&1 |')
      this.#newlines()
      commands.push(this.#command())
    }
  }

  #command(): Command {
    this.#blanks()
    const cursor = this.#cursor
    const at = cursor.position()
    if (cursor.peek() === '(') {
      if (cursor.peekSecond() === '(')
        cursor.fail(
          '((…)) is not in POSIX shells',
          cursor.offset,
          'write [ $((…)) -ne 0 ], or a space between the parentheses',
        )
      cursor.next()
      const body = this.#nonEmpty()
      this.#blanks()
      if (!cursor.take(')')) this.#unexpected()
      return { type: 'subshell', body, at, redirections: this.#redirections() }
    }
    const word = this.#peekWord()
    if (word !== undefined && RESERVED.has(word) && this.#isWholeWord(word)) {
      const compound = this.#compound(word, at)
      if (compound) return compound
      this.#unexpected()
    }
    return this.#simple(at)
  }

  #compound(word: string, at: Position): Command | undefined {
    const cursor = this.#cursor
    switch (word) {
      case '{': {
        cursor.take('{')
        const body = this.#nonEmpty()
        this.#expect('}')
        return { type: 'group', body, at, redirections: this.#redirections() }
      }
      case 'if':
        return this.#if(at)
      case 'while':
      case 'until': {
        cursor.take(word)
        const condition = this.#nonEmpty()
        const body = this.#doGroup()
        return { type: 'while', until: word === 'until', condition, body, at, redirections: this.#redirections() }
      }
      case 'for':
        return this.#for(at)
      case 'case':
        return this.#case(at)
      default:
        return undefined
    }
  }

  #nonEmpty(): List {
    const list = this.list()
    if (list.length === 0) this.#unexpected()
    return list
  }

  #doGroup(): List {
    this.#expect('do')
    const body = this.#nonEmpty()
    this.#expect('done')
    return body
  }

  #if(at: Position): Command {
    const branches: { condition: List; body: List }[] = []
    let otherwise: List | undefined
    this.#cursor.take('if')
    for (;;) {
      const condition = this.#nonEmpty()
      this.#expect('then')
      branches.push({ condition, body: this.#nonEmpty() })
      this.#newlines()
      if (this.#takeReserved('elif')) continue
      if (this.#takeReserved('else')) otherwise = this.#nonEmpty()
      this.#expect('fi')
      return { type: 'if', branches, otherwise, at, redirections: this.#redirections() }
    }
  }

  #for(at: Position): Command {
    const cursor = this.#cursor
    cursor.take('for')
    this.#blanks()
    const start = cursor.offset
    const name = plainText(this.#words.word())
    if (name === undefined || !NAME.test(name))
      return cursor.fail('syntax error: bad variable of a for loop', start, 'write: for NAME in WORDS; do …; done')
    this.#newlines()
    let words: Word[] | undefined
    if (this.#takeReserved('in')) {
      words = []
      for (this.#blanks(); ; this.#blanks()) {
        const word = this.#words.word()
        if (!word) break
        words.push(word)
      }
      if (!cursor.take(';') && cursor.peek() !== '\n') this.#unexpected()
    } else cursor.take(';')
    return { type: 'for', name, words, body: this.#doGroup(), at, redirections: this.#redirections() }
  }

  #case(at: Position): Command {
    const cursor = this.#cursor
    cursor.take('case')
    this.#blanks()
    const subject = this.#words.word()
    if (!subject) this.#unexpected()
    this.#expect('in')
    const items: { patterns: Word[]; body: List }[] = []
    for (this.#newlines(); !this.#takeReserved('esac'); this.#newlines()) {
      const patterns = this.#patterns()
      const body = this.list()
      items.push({ patterns, body })
      this.#newlines()
      if (cursor.take(';;')) continue
      this.#expect('esac')
      break
    }
    return { type: 'case', subject, items, at, redirections: this.#redirections() }
  }

  #patterns(): Word[] {
    const cursor = this.#cursor
    cursor.take('(')
    const patterns: Word[] = []
    for (;;) {
      this.#blanks()
      const word = this.#words.word()
      if (!word) this.#unexpected()
      patterns.push(word)
      this.#blanks()
      if (cursor.take(')')) return patterns
      if (!cursor.take('|')) this.#unexpected()
    }
  }

  #redirections(): Redirection[] {
    const out: Redirection[] = []
    for (;;) {
      const redirection = this.#redirection()
      if (!redirection) return out
      out.push(redirection)
    }
  }

  #redirection(): Redirection | undefined {
    this.#blanks()
    const cursor = this.#cursor
    const start = cursor.offset
    const at = cursor.position()
    let digits = ''
    while (/[0-9]/.test(cursor.peek())) digits += cursor.next()
    const operator = REDIRECTIONS.find((o) => cursor.take(o))
    if (!operator) {
      cursor.offset = start
      return undefined
    }
    if (cursor.peek() === '(')
      cursor.fail('process substitution is not in POSIX shells', start, 'write a file, or use a pipe')
    if (operator === '<<' && cursor.peek() === '<')
      cursor.fail('<<< is not in POSIX shells', start, 'write printf … | command')
    this.#blanks()
    const target = this.#words.word()
    if (!target) this.#unexpected()
    const fd = digits === '' ? undefined : Number(digits)
    const redirection: Redirection = { fd, operator: operator === '<<-' ? '<<' : operator, target, at }
    if (operator === '<<' || operator === '<<-') {
      const delimiter = documentDelimiter(target)
      const expands = target.parts.every((p) => p.type === 'text' && !p.quoted)
      this.#pending.push({ redirection, delimiter, stripTabs: operator === '<<-', expands })
    }
    return redirection
  }

  #simple(at: Position): Command {
    const cursor = this.#cursor
    const command: SimpleCommand = { type: 'simple', assignments: [], words: [], redirections: [], at }
    for (;;) {
      const redirection = this.#redirection()
      if (redirection) {
        command.redirections.push(redirection)
        continue
      }
      const start = cursor.offset
      const word = this.#words.word(command.words.length === 0)
      if (!word) break
      const assignment = command.words.length === 0 ? assignmentOf(word) : undefined
      if (assignment) {
        if (cursor.peek() === '(')
          cursor.fail('arrays are not in POSIX shells', start, 'use positional parameters: set -- a b c')
        command.assignments.push(assignment)
      } else command.words.push(word)
      if (cursor.peek() === '(' && command.words.length === 1 && !assignment) return this.#function(command, start)
    }
    if (command.words.length + command.assignments.length + command.redirections.length === 0) this.#unexpected()
    return command
  }

  #function(command: SimpleCommand, start: number): Command {
    const cursor = this.#cursor
    const name = literalText(command.words[0])
    cursor.next()
    this.#blanks()
    if (!cursor.take(')')) this.#unexpected()
    if (name === undefined || !NAME.test(name) || command.assignments.length + command.redirections.length > 0)
      return cursor.fail('syntax error: bad name of a function', start)
    this.#newlines()
    return { type: 'function', name, body: this.#command(), at: command.at, redirections: [] }
  }
}

/** `$(…)`, from after its parenthesis; backquotes have a cursor of their own. */
function parseNested(cursor: Cursor, end: ')' | '`'): List {
  const parser = new Parser(cursor)
  const list = parser.list()
  if (end === '`') parser.end()
  else {
    const start = cursor.offset
    cursor.joinLines()
    if (!cursor.take(')')) cursor.fail('syntax error: ) is missing', start, 'every $( needs its )')
  }
  return list
}

/** `name=…`; undefined for any other word. */
function assignmentOf(word: Word): Assignment | undefined {
  const first = word.parts[0]
  if (first?.type !== 'text' || first.quoted) return undefined
  const match = /^([A-Za-z_][A-Za-z0-9_]*)=/.exec(first.text)
  if (!match) return undefined
  const rest = first.text.slice(match[0].length)
  const parts = [...(rest === '' ? [] : [{ ...first, text: rest }]), ...word.parts.slice(1)]
  return { name: match[1]!, value: { parts, at: word.at } }
}

/** What ends a here-document: the word without its quotes, nothing expanded. */
function documentDelimiter(word: Word): string {
  return word.parts.map((p) => (p.type === 'text' ? p.text : p.type === 'parameter' ? `$${p.name}` : '')).join('')
}
