import { ShellError } from '../error.js'
import type { ShellState } from '../state.js'
import type { List, Parameter, Word, WordPart } from '../syntax/ast.js'
import { evaluate } from './arithmetic.js'
import { FieldBuilder } from './fields.js'
import { globPaths } from './glob.js'
import { hasPattern, trimPattern } from './pattern.js'

/** Runs commands for `$(…)` and gives their output; given by who runs commands. */
export type Substitute = (body: List) => string

/** Expands words. @see POSIX.1-2017, XCU 2.6 */
export class Expander {
  readonly #state: ShellState
  readonly #substitute: Substitute

  constructor(state: ShellState, substitute: Substitute) {
    this.#state = state
    this.#substitute = substitute
  }

  /** Words as a command's arguments: split, with paths for patterns. @throws {ShellError} */
  fields(words: readonly Word[]): string[] {
    const out: string[] = []
    for (const word of words) {
      const builder = new FieldBuilder(this.#state.get('IFS') ?? ' \t\n')
      this.#parts(word.parts, builder, false)
      for (const { text, pattern } of builder.end()) {
        const paths = this.#state.options.has('f') || !hasPattern(pattern) ? [] : globPaths(this.#state.files, pattern)
        if (paths.length > 0) out.push(...paths)
        else out.push(text)
      }
    }
    return out
  }

  /** A word as one text: values of assignments, targets of redirections, here-documents. @throws {ShellError} */
  text(word: Word): string {
    return this.#single(word).text
  }

  /** A word as a pattern: quoted characters come with a backslash. @throws {ShellError} */
  pattern(word: Word): string {
    return this.#single(word).pattern
  }

  #single(word: Word): { text: string; pattern: string } {
    const builder = new FieldBuilder('')
    this.#parts(word.parts, builder, false, true)
    const [first, ...more] = builder.end()
    // Only `$@` makes several.
    return more.reduce(
      (a, b) => ({ text: `${a.text} ${b.text}`, pattern: `${a.pattern} ${b.pattern}` }),
      first ?? { text: '', pattern: '' },
    )
  }

  /** @param nested within an expansion, whose plain text is split as its result is */
  #parts(parts: readonly WordPart[], out: FieldBuilder, nested: boolean, single = false): void {
    for (const part of parts) {
      if (part.type === 'text') {
        if (part.quoted) out.quoted(part.text)
        else if (nested) out.expanded(part.text)
        else out.literal(part.text)
      } else if (part.type === 'tilde') out.quoted(this.#home(part.user))
      else if (part.type === 'parameter') this.#parameter(part, out, single)
      else {
        const text = part.type === 'command' ? this.#substitute(part.body) : this.#arithmetic(part.expression)
        if (part.quoted) out.quoted(text)
        else out.expanded(text)
      }
    }
  }

  #home(user: string): string {
    if (user === '') return this.#state.get('HOME') ?? '~'
    return user === 'root' ? '/root' : `~${user}`
  }

  #arithmetic(expression: Word): string {
    const state = this.#state
    const text = this.text(expression)
    return String(evaluate(text, { get: (name) => this.#checked(name), set: (name, value) => state.set(name, value) }))
  }

  #checked(name: string): string | undefined {
    const value = this.#state.get(name)
    if (value === undefined && this.#state.options.has('u')) throw new ShellError(`${name}: parameter not set`, 2)
    return value
  }

  #parameter(part: Parameter, out: FieldBuilder, single: boolean): void {
    const { name, operator, quoted } = part
    if ((name === '@' || name === '*') && (operator === undefined || /^:?[-+]$/.test(operator))) {
      if (this.#takesWord(part, this.#state.args.length > 0 ? this.#state.args.join(' ') : undefined))
        this.#word(part, out, single)
      else if (!operator?.includes('+')) this.#positional(name, quoted, out, single)
      return
    }
    const value = this.#valueOf(name)
    if (operator !== undefined && /^:?[-+]$/.test(operator)) {
      if (this.#takesWord(part, value)) this.#word(part, out, single)
      else if (operator.includes('+')) this.#put('', quoted, out)
      else this.#put(value ?? '', quoted, out)
      return
    }
    this.#put(this.#operated(part, value), quoted, out)
  }

  #put(text: string, quoted: boolean, out: FieldBuilder): void {
    if (quoted) out.quoted(text)
    else out.expanded(text)
  }

  /** Whether `-` or `+` takes its word. */
  #takesWord({ operator }: Parameter, value: string | undefined): boolean {
    if (operator === undefined || !/[-+]$/.test(operator)) return false
    const present = value !== undefined && !(operator.startsWith(':') && value === '')
    return operator.endsWith('+') ? present : !present
  }

  #word({ word, quoted }: Parameter, out: FieldBuilder, single: boolean): void {
    if (quoted && !single) {
      // In double quotes the word's own text is quoted too, and an empty one makes a field.
      if (word!.parts.length === 0) out.quoted('')
      this.#parts(
        word!.parts.map((p) => (p.type === 'text' ? { ...p, quoted: true } : p)),
        out,
        false,
        single,
      )
    } else this.#parts(word!.parts, out, true, single)
  }

  #positional(name: string, quoted: boolean, out: FieldBuilder, single: boolean): void {
    const { args } = this.#state
    if (name === '*' && (quoted || single)) {
      const ifs = this.#state.get('IFS')
      out.quoted(args.join(ifs === undefined ? ' ' : ifs.slice(0, 1)))
      return
    }
    args.forEach((arg, i) => {
      if (i > 0) out.boundary()
      if (quoted) out.quoted(arg)
      else out.expanded(arg)
    })
  }

  #operated(part: Parameter, value: string | undefined): string {
    const { name, operator, word } = part
    switch (operator) {
      case undefined:
        return this.#required(name, value)
      case 'length':
        if (name === '@' || name === '*') return String(this.#state.args.length)
        return String(this.#required(name, value).length)
      case '=':
      case ':=': {
        if (value !== undefined && !(operator === ':=' && value === '')) return value
        if (!/^[A-Za-z_]/.test(name)) throw new ShellError(`${name}: bad variable name`, 2)
        const made = this.text(word!)
        this.#state.set(name, made)
        return made
      }
      case '?':
      case ':?': {
        if (value !== undefined && !(operator === ':?' && value === '')) return value
        const message = this.text(word!) || (operator === ':?' ? 'parameter not set or null' : 'parameter not set')
        throw new ShellError(`${name}: ${message}`, 2)
      }
      default: {
        const end = operator.startsWith('#') ? 'prefix' : 'suffix'
        return trimPattern(this.#required(name, value), this.pattern(word!), end, operator.length === 2)
      }
    }
  }

  #required(name: string, value: string | undefined): string {
    if (value === undefined && this.#state.options.has('u') && !'@*'.includes(name))
      throw new ShellError(`${name}: parameter not set`, 2)
    return value ?? ''
  }

  #valueOf(name: string): string | undefined {
    const state = this.#state
    switch (name) {
      case '@':
      case '*':
        return state.args.length > 0 ? state.args.join(' ') : undefined
      case '#':
        return String(state.args.length)
      case '?':
        return String(state.status)
      case '-':
        return [...state.options].sort().join('')
      case '$':
        return '1'
      case '!':
        return undefined
      case '0':
        return state.name
      default:
        return /^\d/.test(name) ? state.args[Number(name) - 1] : state.get(name)
    }
  }
}
