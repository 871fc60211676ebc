import { VfsError } from '../../vfs/error.js'
import { textOf } from '../bytes.js'
import { type Tool, type ToolContext, ToolError } from '../command.js'
import { escapeRegExp, patternRegExp } from '../expand/pattern.js'
import { errorWords } from '../files.js'
import { regexSource } from '../regex.js'
import { LineReader } from '../streams.js'
import { parseOptions } from './options.js'

const LONG = {
  'extended-regexp': 'E',
  'fixed-strings': 'F',
  'basic-regexp': 'G',
  regexp: 'e',
  file: 'f',
  'ignore-case': 'i',
  'invert-match': 'v',
  'word-regexp': 'w',
  'line-regexp': 'x',
  count: 'c',
  'files-with-matches': 'l',
  'files-without-match': 'L',
  'max-count': 'm',
  'only-matching': 'o',
  quiet: 'q',
  silent: 'q',
  'no-messages': 's',
  'with-filename': 'H',
  'no-filename': 'h',
  'line-number': 'n',
  recursive: 'r',
  'dereference-recursive': 'R',
  include: '1',
  exclude: '2',
  'exclude-dir': '3',
  'after-context': 'A',
  'before-context': 'B',
  context: 'C',
  text: 'a',
  null: 'Z',
  color: '4',
  colour: '4',
}

type Options = ReturnType<typeof parseOptions>

/** @param kind what the name of the program chooses */
function grepAs(kind: 'G' | 'E' | 'F'): Tool {
  return (args, context) => {
    const o = parseOptions(args, { letters: 'EFGe:f:ivwxcLlm:oqsHhnrRA:B:C:aZ1:2:3:4:', long: LONG, status: 2 })
    const patterns = o.given.filter((g) => g.letter === 'e').flatMap((g) => g.value.split('\n'))
    for (const { value } of o.given.filter((g) => g.letter === 'f')) patterns.push(...fileLines(context, value))
    const operands = [...o.operands]
    if (!o.given.some((g) => g.letter === 'e' || g.letter === 'f')) {
      const first = operands.shift()
      if (first === undefined) throw new ToolError('no pattern was given', 2)
      patterns.push(...first.split('\n'))
    }
    const mode = o.given.findLast((g) => 'EFG'.includes(g.letter))?.letter ?? kind
    return new Search(context, o, expressionOf(patterns, mode, o)).run(operands)
  }
}

function fileLines(context: ToolContext, name: string): string[] {
  const text = textOf(name === '-' ? readStdin(context) : context.files.read(name))
  return text.replace(/\n$/, '').split('\n')
}

function readStdin({ stdin }: ToolContext): Uint8Array {
  const reader = new LineReader(stdin)
  const parts: number[] = []
  for (let line = reader.line(); line; line = reader.line()) parts.push(...line)
  return Uint8Array.from(parts)
}

function expressionOf(patterns: readonly string[], mode: string, o: Options): RegExp {
  const sources = patterns.map((p) => (mode === 'F' ? escapeRegExp(p) : regexSource(p, mode === 'E')))
  let source = sources.map((s) => `(?:${s})`).join('|')
  if (sources.length > 1 && /\\[1-9]/.test(source))
    throw new ToolError('back references in one of several patterns are not supported here', 2)
  if (sources.length === 1) source = sources[0]!
  if (o.has('x')) source = `^(?:${source})$`
  else if (o.has('w')) source = `(?<![0-9A-Za-z_])(?:${source})(?![0-9A-Za-z_])`
  try {
    return new RegExp(source, o.has('i') ? 'gi' : 'g')
  } catch {
    throw new ToolError(`invalid regular expression: ${patterns.join(' ')}`, 2)
  }
}

class Search {
  readonly #context: ToolContext
  readonly #o: Options
  readonly #expression: RegExp
  #names = false
  #found = false
  #failed = false

  constructor(context: ToolContext, o: Options, expression: RegExp) {
    this.#context = context
    this.#o = o
    this.#expression = expression
  }

  /** @returns 0 where a line matched, 1 where none did, 2 for trouble */
  run(operands: readonly string[]): number {
    const o = this.#o
    const recursive = o.has('r') || o.has('R')
    this.#names = o.has('H') || (!o.has('h') && (operands.length > 1 || recursive))
    const names = operands.length > 0 ? operands : recursive ? ['.'] : ['-']
    for (const name of names) {
      this.#path(name, operands.length > 0 ? name : '', recursive)
      if (this.#found && o.has('q')) return 0
    }
    return this.#failed ? 2 : this.#found ? 0 : 1
  }

  #path(path: string, shown: string, recursive: boolean): void {
    const { files } = this.#context
    if (path === '-') {
      this.#input(new LineReader(this.#context.stdin), '(standard input)')
      return
    }
    try {
      const node = files.stat(path)
      if (node.kind === 'dir') {
        if (!recursive) throw new VfsError('EISDIR', path)
        this.#folder(path, shown)
        return
      }
      const fd = files.open(path)
      this.#input(new LineReader(fd), shown || path)
      fd.fd_close()
    } catch (err) {
      if (!(err instanceof VfsError)) throw err
      this.#failed = true
      if (!this.#o.has('s')) this.#context.warn(`${path}: ${errorWords(err)}`)
    }
  }

  #folder(path: string, shown: string): void {
    const { files } = this.#context
    const globs = (letter: string) =>
      this.#o.given.filter((g) => g.letter === letter).map((g) => patternRegExp(g.value))
    const [include, exclude, excludeDir] = [globs('1'), globs('2'), globs('3')]
    for (const name of files.list(path)) {
      const below = `${path.replace(/\/+$/, '')}/${name}`
      const label = shown === '' ? name : `${shown.replace(/\/+$/, '')}/${name}`
      const node = files.find(below, this.#o.has('R'))
      if (node?.kind === 'dir') {
        if (!excludeDir.some((g) => g.test(name))) this.#folder(below, label)
      } else if (node?.kind === 'file') {
        if ((include.length === 0 || include.some((g) => g.test(name))) && !exclude.some((g) => g.test(name)))
          this.#path(below, label, true)
      }
    }
  }

  #input(reader: LineReader, name: string): void {
    const o = this.#o
    const { out } = this.#context
    const most = Number(o.value('m') ?? Number.POSITIVE_INFINITY)
    const after = Number(o.value('A') ?? o.value('C') ?? 0)
    const before = Number(o.value('B') ?? o.value('C') ?? 0)
    const prefix = this.#names ? name : ''
    const quiet = o.has('q') || o.has('l') || o.has('L') || o.has('c')
    let count = 0
    let number = 0
    let follow = 0
    let shownTo = 0
    const held: string[] = []
    const line = (text: string, n: number, mark: string) => {
      if (before + after > 0 && shownTo > 0 && n > shownTo + 1) out.text('--\n')
      shownTo = n
      out.text(`${prefix === '' ? '' : prefix + mark}${o.has('n') ? `${n}${mark}` : ''}${text}\n`)
    }
    for (let bytes = reader.line(); bytes && (count < most || follow > 0); bytes = reader.line()) {
      number++
      const full = textOf(bytes)
      const text = full.endsWith('\n') ? full.slice(0, -1) : full
      this.#expression.lastIndex = 0
      if (count < most && this.#expression.test(text) !== o.has('v')) {
        count++
        this.#found = true
        if (quiet) {
          if (!o.has('c')) break
          continue
        }
        if (o.has('o')) {
          this.#expression.lastIndex = 0
          if (!o.has('v')) for (const [m] of text.matchAll(this.#expression)) if (m !== '') line(m, number, ':')
          continue
        }
        for (const [i, t] of held.entries()) line(t, number - held.length + i, '-')
        held.length = 0
        line(text, number, ':')
        follow = after
      } else if (follow > 0) {
        follow--
        line(text, number, '-')
      } else if (before > 0 && !quiet && !o.has('o')) {
        held.push(text)
        if (held.length > before) held.shift()
      }
    }
    if (o.has('l') ? count > 0 : o.has('L') && count === 0) out.text(`${name}${o.has('Z') ? '\0' : '\n'}`)
    else if (o.has('c') && !o.has('q')) out.text(`${prefix === '' ? '' : `${prefix}:`}${count}\n`)
    if (o.has('L')) this.#found = this.#found || count === 0
  }
}

/** `grep` and its older names. */
export const grepTools: Readonly<Record<string, Tool>> = { egrep: grepAs('E'), fgrep: grepAs('F'), grep: grepAs('G') }
