import type { EscapeToken, Node } from './ast.js'
import { fault } from './fault.js'
import { isSpace, quote, trimStart } from './go-text.js'
import { splitBlanks, splitFirstBlank, splitQuoted } from './words.js'

/** What the text after an instruction's flags means. */
export interface Arguments {
  args: Node[]
  /** The text was a JSON list of strings. */
  json: boolean
}

const NO_PLACE = { line: 0, endLine: 0 }

/** A node that only holds a text. */
export function leaf(value: string, child?: Node): Node {
  return {
    value,
    args: [],
    child,
    heredocs: [],
    json: false,
    original: '',
    flags: [],
    location: NO_PLACE,
    comments: [],
  }
}

/**
 * Reads the arguments of an instruction, each in the way that is its own.
 *
 * @param parseLine reads the instruction inside ONBUILD
 * @throws TsboxError E_DOCKERFILE
 */
export function parseArguments(
  keyword: string,
  rest: string,
  token: EscapeToken,
  parseLine: (line: string) => Node,
): Arguments {
  switch (keyword.toLowerCase()) {
    case 'add':
    case 'copy':
    case 'volume':
      return jsonList(rest) ?? plain(blankSeparated(rest))
    case 'cmd':
    case 'entrypoint':
    case 'run':
    case 'shell':
      return jsonOrText(rest)
    case 'arg':
      return plain(splitQuoted(rest, token))
    case 'env':
    case 'label':
      return plain(nameValues(rest, keyword.toUpperCase(), token))
    case 'expose':
    case 'from':
      return plain(blankSeparated(rest))
    case 'healthcheck':
      return healthcheck(rest)
    case 'maintainer':
    case 'stopsignal':
    case 'user':
    case 'workdir':
      return plain(rest === '' ? [] : [rest])
    case 'onbuild':
      return { args: rest === '' ? [] : [leaf('', parseLine(rest))], json: false }
    default:
      // Unknown instructions are refused later, where all that is known can be told; their arguments say nothing.
      return plain([''])
  }
}

function plain(values: readonly string[]): Arguments {
  return { args: values.map((v) => leaf(v)), json: false }
}

function blankSeparated(rest: string): string[] {
  return rest === '' ? [] : splitBlanks(rest)
}

/** Three values for each pair: the key, the value, `=` or nothing for the old form `KEY value`. */
function nameValues(rest: string, keyword: string, token: EscapeToken): string[] {
  const words = splitQuoted(rest, token)
  if (words.length === 0) return []
  if (!words[0]!.includes('=')) {
    const [key, value] = splitFirstBlank(rest)
    if (value === undefined) throw fault(`${keyword} must have two arguments`, `write ${keyword} ${key}=value`)
    return [key, value, '']
  }
  return words.flatMap((word) => {
    const at = word.indexOf('=')
    if (at < 0)
      throw fault(
        `Syntax error - can't find = in ${quote(word)}. Must be of the form: name=value`,
        'put a value with blanks in double quotes',
      )
    return [word.slice(0, at), word.slice(at + 1), '=']
  })
}

/** A JSON list, or undefined for a text that is none: a typing error in a list makes it a shell command. */
function jsonList(rest: string): Arguments | undefined {
  const text = trimStart(rest)
  if (!text.startsWith('[')) return undefined
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!(list as unknown[]).every((v) => typeof v === 'string'))
    throw fault(
      'when using JSON array syntax, arrays must be comprised of strings only',
      'put each element in double quotes',
    )
  return { args: (list as string[]).map((v) => leaf(v.replace(/\p{Surrogate}/gu, '\ufffd'))), json: true }
}

function jsonOrText(rest: string): Arguments {
  return jsonList(rest) ?? plain(rest === '' ? [] : [rest])
}

/** The kind of check, then its command as JSON or as text. */
function healthcheck(rest: string): Arguments {
  let end = 0
  while (end < rest.length && !isSpace(rest[end]!)) end++
  if (end === 0) return plain([])
  const { args, json } = jsonOrText(trimStart(rest.slice(end)))
  return { args: [leaf(rest.slice(0, end)), ...args], json }
}
