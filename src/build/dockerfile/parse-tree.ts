import { parseArguments } from './arguments.js'
import type { EscapeToken, Heredoc, LineRange, Node, ParseWarning, Tree } from './ast.js'
import { DirectiveReader } from './directive.js'
import { fault, locate, located, type SourceFile } from './fault.js'
import { trimSpace, trimStart } from './go-text.js'
import { heredocsOf, takesHeredocs } from './heredoc.js'
import { splitCommand } from './split-command.js'

/** ONBUILD inside ONBUILD, which is refused anyway, must not overflow the stack first. */
const MAX_NESTING = 50

/**
 * Reads a Dockerfile into its tree: logical lines, directives, comments, here-documents. What the instructions mean is
 * not looked at.
 *
 * @throws TsboxError E_DOCKERFILE with a location
 * @see moby/buildkit frontend/dockerfile/parser
 */
export function parseTree(source: SourceFile): Tree {
  return new TreeParser(source).parse()
}

class TreeParser {
  readonly #source: SourceFile
  /** Physical lines with their line ends. */
  readonly #lines: string[]
  readonly #directives = new DirectiveReader()
  readonly #warnings: ParseWarning[] = []
  /** Lines read so far: the number of the last one. */
  #read = 0

  constructor(source: SourceFile) {
    this.#source = source
    this.#lines = source.text.replace(/^\ufeff/, '').match(/[^\n]*\n|[^\n]+$/g) ?? []
  }

  get #escape(): EscapeToken {
    return this.#directives.escape
  }

  parse(): Tree {
    const children: Node[] = []
    let comments: string[] = []
    while (this.#read < this.#lines.length) {
      const raw = this.#lines[this.#read]!
      if (isComment(raw)) comments = withComment(comments, raw)
      const start = this.#read + 1
      const line = this.#nextLine(true, () => comments.pop())
      const text = this.#joined(line)
      if (text === undefined) continue
      children.push(this.#instruction(text, start, comments))
      comments = []
    }
    if (children.length === 0)
      throw located(
        this.#source,
        { line: 1, endLine: Math.max(1, this.#read) },
        fault('file with no instructions', 'start with FROM'),
      )
    return { children, escape: this.#escape, warnings: this.#warnings }
  }

  /** The next physical line without its end; comments are empty lines. */
  #nextLine(first: boolean, onDirective: () => void): string {
    const bare = this.#lines[this.#read++]!.replace(/[\r\n]+$/, '')
    const line = first ? trimStart(bare) : bare
    const range = { line: this.#read, endLine: this.#read }
    if (locate(this.#source, range, () => this.#directives.line(line))) onDirective()
    return line.startsWith('#') ? '' : line
  }

  /** The logical line that starts with `line`; undefined for an empty one. */
  #joined(line: string): string | undefined {
    let { text, more } = this.#continuation(line)
    if (!more && text === '') return undefined
    let empty = false
    while (more && this.#read < this.#lines.length) {
      const raw = this.#lines[this.#read]!
      const next = this.#nextLine(false, () => {})
      if (isComment(raw)) continue
      if (trimStart(next) === '') {
        empty = true
        continue
      }
      const part = this.#continuation(next)
      text += part.text
      more = part.more
    }
    if (empty)
      this.#warnings.push({
        rule: 'NoEmptyContinuation',
        detail: 'Empty continuation line',
        location: { line: this.#read, endLine: this.#read },
      })
    return text
  }

  /** Takes an escape at the end of a line, unless another escape stands before it. */
  #continuation(line: string): { text: string; more: boolean } {
    const body = line.replace(/[ \t]+$/, '')
    if (!body.endsWith(this.#escape) || body.at(-2) === this.#escape) return { text: line, more: false }
    return { text: body.slice(0, -1), more: true }
  }

  #instruction(text: string, start: number, comments: string[]): Node {
    const range = () => ({ line: start, endLine: this.#read })
    const node = locate(this.#source, range(), () => this.#node(text, comments, 0))
    if (takesHeredocs(node) && text.includes('<<'))
      for (const heredoc of locate(this.#source, range(), () => heredocsOf(text)))
        node.heredocs.push(this.#heredoc(heredoc, start))
    node.location = range()
    return node
  }

  #node(text: string, comments: string[], depth: number): Node {
    if (depth > MAX_NESTING) throw fault(`ONBUILD is nested deeper than ${MAX_NESTING} levels`)
    const { keyword, flags, rest } = splitCommand(text, this.#escape)
    const { args, json } = parseArguments(keyword, rest, this.#escape, (line) => this.#node(line, [], depth + 1))
    const location: LineRange = { line: 0, endLine: 0 }
    return { value: keyword, args, child: undefined, heredocs: [], json, original: text, flags, location, comments }
  }

  #heredoc(heredoc: Heredoc, start: number): Heredoc {
    let content = ''
    while (this.#read < this.#lines.length) {
      const raw = this.#lines[this.#read++]!
      const bare = raw.replace(/[\r\n]+$/, '')
      if ((heredoc.chomp ? bare.replace(/^\t+/, '') : bare) === heredoc.name) return { ...heredoc, content }
      content += raw
    }
    const hint = heredoc.chomp
      ? `end it with a line that is "${heredoc.name}", tabs before it allowed`
      : `end it with a line that is exactly "${heredoc.name}"`
    throw located(this.#source, { line: start, endLine: this.#read }, fault('unterminated heredoc', hint))
  }
}

function isComment(raw: string): boolean {
  return trimStart(raw).startsWith('#')
}

/** An empty comment parts what is above it from the instruction. */
function withComment(comments: string[], raw: string): string[] {
  const text = trimSpace(trimStart(raw).slice(1))
  return text === '' ? [] : [...comments, text]
}
