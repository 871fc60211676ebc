import { TemplateError } from './error.js'
import { lex, type Token } from './lexer.js'

/** A term of a command: what a value is made from. `at` and `raw` are for messages. */
export type Operand = { at: number; raw: string } & (
  | { kind: 'dot' }
  | { kind: 'nil' }
  | { kind: 'constant'; value: string | number | boolean }
  | { kind: 'variable'; name: string }
  | { kind: 'function'; name: string }
  | { kind: 'pipeline'; pipe: Pipe }
  | { kind: 'field'; of: Operand; name: string }
)

/** One function call or one value. */
export interface Command {
  operands: Operand[]
  at: number
  raw: string
}

/** `$k, $v := a | b | c`. */
export interface Pipe {
  declared: string[]
  /** `=` instead of `:=`. */
  assigns: boolean
  commands: Command[]
}

export type Node =
  | { kind: 'text'; value: string }
  | { kind: 'action'; pipe: Pipe }
  | { kind: 'if' | 'with' | 'range'; pipe: Pipe; body: Node[]; otherwise: Node[] }
  | { kind: 'break' | 'continue' }

/**
 * Parses a Go template, without `define`, `template` and `block`, which a `--format` has no use for.
 *
 * @param functions names that may be called
 * @throws {TemplateError}
 */
export function parseTemplate(text: string, functions: ReadonlySet<string>): Node[] {
  return new Parser(text, functions).template()
}

const KEYWORDS = new Set(['if', 'with', 'range', 'else', 'end', 'break', 'continue', 'define', 'template', 'block'])

class Parser {
  private readonly text: string
  private readonly functions: ReadonlySet<string>
  private readonly tokens: Token[]
  private at = 0
  private readonly variables: string[] = ['$']
  private loops = 0

  constructor(text: string, functions: ReadonlySet<string>) {
    this.text = text
    this.functions = functions
    this.tokens = lex(text)
  }

  template(): Node[] {
    const { nodes, stop } = this.list()
    if (stop) this.fail(stop, `unexpected {{${stop.value}}}`)
    return nodes
  }

  /** Nodes up to the `end` or `else` that closes the block, which is consumed and returned as `stop`. */
  private list(): { nodes: Node[]; stop?: Token } {
    const nodes: Node[] = []
    for (;;) {
      const t = this.next()
      if (t.kind === 'eof') return { nodes }
      if (t.kind === 'text') {
        nodes.push({ kind: 'text', value: t.value })
        continue
      }
      const word = this.peek()
      if (word.kind !== 'identifier' || !KEYWORDS.has(word.value)) {
        nodes.push({ kind: 'action', pipe: this.pipe('command', 'close') })
        continue
      }
      this.next()
      if (word.value === 'end' || word.value === 'else') return { nodes, stop: word }
      nodes.push(this.keyword(word))
    }
  }

  private keyword(word: Token): Node {
    switch (word.value) {
      case 'if':
      case 'with':
      case 'range':
        return this.block(word.value)
      case 'break':
      case 'continue':
        if (!this.loops) this.fail(word, `{{${word.value}}} outside {{range}}`)
        this.expectClose(word.value)
        return { kind: word.value }
      default:
        return this.fail(word, `{{${word.value}}} has no meaning in --format`)
    }
  }

  private block(kind: 'if' | 'with' | 'range'): Node {
    const known = this.variables.length
    const pipe = this.pipe(kind, 'close')
    if (kind === 'range') this.loops++
    const body = this.list()
    if (kind === 'range') this.loops--
    const otherwise = this.otherwise(kind, body.stop)
    this.variables.length = known
    return { kind, pipe, body: body.nodes, otherwise }
  }

  /** What follows the body: `{{end}}`, `{{else}}…{{end}}`, or `{{else if …}}`, which needs no `end` of its own. */
  private otherwise(kind: string, stop: Token | undefined): Node[] {
    if (!stop) this.fail(this.peek(), 'unexpected EOF')
    if (stop.value === 'end') {
      this.expectClose('end')
      return []
    }
    const chained = this.peek()
    if (chained.kind === 'identifier' && chained.value === kind && kind !== 'range') {
      this.next()
      return [this.block(kind as 'if' | 'with')]
    }
    this.expectClose('else')
    const rest = this.list()
    if (!rest.stop) this.fail(this.peek(), 'unexpected EOF')
    if (rest.stop.value === 'else') this.fail(rest.stop, 'expected end; found {{else}}')
    this.expectClose('end')
    return rest.nodes
  }

  private expectClose(context: string): void {
    const t = this.next()
    if (t.kind !== 'close') this.fail(t, `unexpected <${t.raw}> in ${context}`)
  }

  /** A pipeline up to `}}` or `)`, which is consumed. */
  private pipe(context: string, until: 'close' | ')'): Pipe {
    const pipe: Pipe = { declared: [], assigns: false, commands: [] }
    this.declarations(pipe, context)
    for (;;) {
      const t = this.peek()
      const ends = until === 'close' ? t.kind === 'close' : t.kind === 'char' && t.value === ')'
      if (ends) {
        this.next()
        if (!pipe.commands.length) this.fail(t, `missing value for ${context}`)
        this.variables.push(...(pipe.assigns ? [] : pipe.declared))
        return pipe
      }
      pipe.commands.push(this.command(context))
    }
  }

  private declarations(pipe: Pipe, context: string): void {
    const isOperator = (t: Token | undefined) => t?.kind === 'char' && (t.value === ':=' || t.value === '=')
    const [first, second, third, fourth] = this.tokens.slice(this.at, this.at + 4)
    if (first?.kind !== 'variable') return
    if (isOperator(second)) {
      pipe.declared = [first.value]
      pipe.assigns = second!.value === '='
      this.at += 2
    } else if (context === 'range' && second?.value === ',' && third?.kind === 'variable' && isOperator(fourth)) {
      pipe.declared = [first.value, third.value]
      pipe.assigns = fourth!.value === '='
      this.at += 4
    } else return
    if (pipe.assigns) for (const name of pipe.declared) this.checkVariable(first, name)
  }

  private checkVariable(t: Token, name: string): void {
    if (!this.variables.includes(name)) this.fail(t, `undefined variable "${name}"`)
  }

  private command(context: string): Command {
    const start = this.peek()
    const operands: Operand[] = []
    for (;;) {
      const t = this.peek()
      if (t.kind === 'close' || (t.kind === 'char' && t.value === ')')) break
      if (t.kind === 'char' && t.value === '|') {
        this.next()
        const after = this.peek()
        if (!operands.length || after.kind === 'close') this.fail(t, `missing value for ${context}`)
        break
      }
      if (operands.length && !t.spaced && t.value !== '(') this.fail(t, `unexpected <${t.raw}> in operand`)
      operands.push(this.operand(context))
    }
    const last = operands[operands.length - 1]
    if (!last) this.fail(start, start.value === ')' ? 'unexpected right paren' : `missing value for ${context}`)
    const end = last.at + last.raw.length
    return { operands, at: start.at, raw: this.text.slice(start.at, end) }
  }

  private operand(context: string): Operand {
    let operand = this.term(context)
    for (;;) {
      const t = this.peek()
      if (t.kind === 'dot' && !t.spaced) this.fail(t, 'unexpected <.> in operand')
      if (t.kind !== 'field' || t.spaced) return operand
      this.next()
      operand = { kind: 'field', of: operand, name: t.value, at: operand.at, raw: operand.raw + t.raw }
    }
  }

  private term(context: string): Operand {
    const t = this.next()
    const { at, raw } = t
    switch (t.kind) {
      case 'dot':
        return { kind: 'dot', at, raw }
      case 'field':
        return { kind: 'field', of: { kind: 'dot', at, raw: '' }, name: t.value, at, raw }
      case 'variable':
        this.checkVariable(t, t.value)
        return { kind: 'variable', name: t.value, at, raw }
      case 'string':
        return { kind: 'constant', value: t.value, at, raw }
      case 'number':
        return { kind: 'constant', value: this.number(t), at, raw }
      case 'identifier':
        if (t.value === 'true' || t.value === 'false') return { kind: 'constant', value: t.value === 'true', at, raw }
        if (t.value === 'nil') return { kind: 'nil', at, raw }
        if (!this.functions.has(t.value)) this.fail(t, `function "${t.value}" not defined`)
        return { kind: 'function', name: t.value, at, raw }
      case 'char':
        if (t.value === '(') {
          const pipe = this.pipe('parenthesized pipeline', ')')
          const end = this.tokens[this.at - 1]!
          return { kind: 'pipeline', pipe, at, raw: this.text.slice(at, end.at + 1) }
        }
    }
    if (t.kind === 'eof') this.fail(t, 'unclosed action')
    return this.fail(t, `unexpected <${raw}> in ${context}`)
  }

  private number(t: Token): number {
    const negative = t.value.startsWith('-')
    const value = Number(t.value.replace(/^[+-]/, ''))
    if (Number.isNaN(value)) this.fail(t, `bad number syntax: "${t.raw}"`)
    return negative ? -value : value
  }

  private peek(): Token {
    return this.tokens[this.at]!
  }

  private next(): Token {
    const t = this.tokens[this.at]!
    if (t.kind !== 'eof') this.at++
    return t
  }

  private fail(t: Token, message: string): never {
    throw new TemplateError(this.text, t.at, message)
  }
}
