import type { Heredoc, Node } from './ast.js'
import { fault } from './fault.js'
import { expandWords } from './shell-lex.js'

const MARK = /^(\d*)<<(-?)[\t\n\f\r ]*([^<]*)$/
const NOTHING = () => undefined

/** A here-document that a word opens, still without content; undefined for any other word. */
export function parseHeredocMark(word: string): Heredoc | undefined {
  const match = MARK.exec(word)
  const written = match?.[3]
  if (!match || !written) return undefined
  const words = expandWords(written, NOTHING, { keepUnset: true })
  if (words.length !== 1) return undefined
  const raw = expandWords(written, NOTHING, { keepUnset: true, rawQuotes: true })
  if (raw.length !== 1) throw fault(`internal lexing of heredoc produced inconsistent results: ${written}`)
  return {
    name: words[0]!,
    fileDescriptor: Number(match[1] || 0),
    // A quote that quotes is gone from the name, an escaped one is still there.
    expand: countQuotes(words[0]!) === countQuotes(raw[0]!),
    chomp: match[2] === '-',
    content: '',
  }
}

/** {@link parseHeredocMark} for a word of an instruction that was already accepted. */
export function heredocMark(word: string): Heredoc | undefined {
  try {
    return parseHeredocMark(word)
  } catch {
    return undefined
  }
}

/** The here-documents that a logical line opens, in order. */
export function heredocsOf(line: string): Heredoc[] {
  let words: string[]
  try {
    words = expandWords(line, NOTHING, { rawQuotes: true, rawEscapes: true, keepUnset: true })
  } catch {
    // A shell command may have quotes that are none to a Dockerfile; then it has no here-documents either.
    return []
  }
  return words.map(parseHeredocMark).filter((h) => h !== undefined)
}

/** Whether the instruction may have here-documents: RUN, COPY, ADD, also inside ONBUILD, not in JSON form. */
export function takesHeredocs(node: Node): boolean {
  const inner = (node.value.toLowerCase() === 'onbuild' && node.args[0]?.child) || node
  return ['add', 'copy', 'run'].includes(inner.value.toLowerCase()) && !inner.json
}

/** Content with the leading tabs of each line removed, as `<<-` asks for. */
export function chompHeredoc(content: string): string {
  return content.replace(/(^|\n)\t+/g, '$1')
}

function countQuotes(text: string): number {
  return text.split(/['"]/).length - 1
}
