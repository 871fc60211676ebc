import { bytesOf, textOf } from '../../bytes.js'
import { type Tool, type ToolContext, ToolError } from '../../command.js'
import { LineReader } from '../../streams.js'
import { eachInput } from '../each.js'
import { parseOptions } from '../options.js'
import { type Address, parseSed, type ReplacementPart, type SedCommand, type Substitution } from './script.js'

export const sed: Tool = (args, context) => {
  // -i takes its suffix only in the same word.
  const words = args.map((a) =>
    /^-[nErsz]*i/.test(a) ? a.replace(/^-([nErsz]*)i(.*)$/s, (_, l: string, s: string) => `-${l}I${s}`) : a,
  )
  const inPlace = words.findLast((a) => /^-[nErsz]*I/.test(a) || /^--in-place/.test(a))
  const rest = words.flatMap((a) => {
    if (a === '--in-place' || a.startsWith('--in-place=')) return []
    const m = /^-([nErsz]*)I/.exec(a)
    return m ? (m[1] === '' ? [] : [`-${m[1]}`]) : [a]
  })
  const o = parseOptions(rest, {
    letters: 'ne:f:Ersuz',
    long: {
      quiet: 'n',
      silent: 'n',
      expression: 'e',
      file: 'f',
      'regexp-extended': 'E',
      separate: 's',
      unbuffered: 'u',
      'null-data': 'z',
    },
  })
  const scripts = o.given.flatMap((g) =>
    g.letter === 'e' ? [g.value] : g.letter === 'f' ? [textOf(context.files.read(g.value)).replace(/\n$/, '')] : [],
  )
  const operands = [...o.operands]
  if (scripts.length === 0) {
    const first = operands.shift()
    if (first === undefined) throw new ToolError('no script was given')
    scripts.push(first)
  }
  let text = scripts.join('\n')
  const quiet = o.has('n') || /^#n(\n|$)/.test(text)
  if (text.startsWith('#n\n')) text = text.slice(2)
  const parse = () => parseSed(text, o.has('E') || o.has('r'))
  const delimiter = o.has('z') ? '\0' : '\n'
  if (inPlace === undefined) {
    const editor = new Editor(context, parse(), quiet, delimiter, (t) => context.out.text(t))
    if (!o.has('s')) return editor.run(operands)
    return operands.map((name) => editor.run([name])).find((status) => status !== 0) ?? 0
  }
  const suffix = /^-[nErsz]*I(.*)$/s.exec(inPlace)?.[1] ?? /=(.*)$/s.exec(inPlace)?.[1] ?? ''
  return editInPlace(context, operands, { parse, quiet, delimiter, suffix })
}

function editInPlace(
  context: ToolContext,
  operands: readonly string[],
  how: { parse(): SedCommand[]; quiet: boolean; delimiter: string; suffix: string },
): number {
  let status = 0
  if (operands.length === 0) throw new ToolError('no input files')
  for (const path of operands) {
    let made = ''
    const editor = new Editor(context, how.parse(), how.quiet, how.delimiter, (t) => {
      made += t
    })
    const node = context.files.find(path)
    if (node && node.kind !== 'file') {
      context.warn(`couldn't edit ${path}: not a regular file`)
      status = 4
      continue
    }
    const ended = editor.run([path])
    status ||= ended
    if (!node) continue
    if (how.suffix !== '') {
      const backup = how.suffix.includes('*') ? how.suffix.replaceAll('*', path.split('/').at(-1)!) : path + how.suffix
      context.files.write(backup, context.files.read(path), node.mode & 0o777)
    }
    context.files.write(path, bytesOf(made))
  }
  return status
}

class Editor {
  readonly #context: ToolContext
  readonly #commands: readonly SedCommand[]
  readonly #quiet: boolean
  readonly #delimiter: string
  readonly #put: (text: string) => void
  #pattern = ''
  #hold = ''
  #number = 0
  #substituted = false
  #lastRegex: RegExp | undefined
  #appended: string[] = []
  #lines: string[] = []
  #next = 0
  /** The last line had no end. */
  #unended = false
  /** What was printed last lacks its end, which comes before anything else does. */
  #open = false
  readonly #written = new Map<string, string>()

  constructor(
    context: ToolContext,
    commands: readonly SedCommand[],
    quiet: boolean,
    delimiter: string,
    put: (text: string) => void,
  ) {
    this.#context = context
    this.#commands = commands
    this.#quiet = quiet
    this.#delimiter = delimiter
    this.#put = put
  }

  /** @returns the exit status */
  run(operands: readonly string[]): number {
    this.#lines = []
    let status = eachInput(
      this.#context,
      operands,
      (fd) => {
        const reader = new LineReader(fd)
        const end = this.#delimiter.charCodeAt(0)
        for (let line = reader.line(end); line; line = reader.line(end)) this.#lines.push(textOf(line))
      },
      2,
    )
    this.#number = 0
    this.#next = 0
    this.#unended = this.#lines.length > 0 && !this.#lines.at(-1)!.endsWith(this.#delimiter)
    while (this.#advance(false)) {
      const ended = this.#cycle()
      if (ended !== undefined) {
        status = ended
        break
      }
    }
    for (const [file, text] of this.#written) this.#writeFile(file, text)
    return status
  }

  #writeFile(file: string, text: string): void {
    if (file === '/dev/stdout') this.#put(text)
    else this.#context.files.write(file, bytesOf(text))
  }

  /** Takes the next line; with `keep` it is added to what is there. */
  #advance(keep: boolean): boolean {
    const line = this.#lines[this.#next]
    if (line === undefined) return false
    this.#next++
    this.#number++
    const body = line.endsWith(this.#delimiter) ? line.slice(0, -1) : line
    this.#pattern = keep ? `${this.#pattern}\n${body}` : body
    return true
  }

  get #isLast(): boolean {
    return this.#next >= this.#lines.length
  }

  #line(text: string): void {
    const open = this.#isLast && this.#unended
    this.#print(text + (open ? '' : this.#delimiter))
    this.#open = open
  }

  #print(text: string): void {
    this.#put(this.#open ? this.#delimiter + text : text)
    this.#open = false
  }

  #flush(): void {
    for (const text of this.#appended.splice(0)) this.#print(text)
  }

  /** @returns an exit status where the script ends it all */
  #cycle(): number | undefined {
    this.#substituted = false
    for (let restart = true; restart; ) {
      restart = false
      for (let at = 0; at < this.#commands.length; at++) {
        const command = this.#commands[at]!
        if (!this.#selected(command)) {
          if (command.name === '{') at = command.jump - 1
          continue
        }
        const next = this.#execute(command, at)
        if (next === 'end') return this.#endCycle(false)
        if (next === 'delete') return this.#endCycle(true)
        if (next === 'restart') {
          this.#flush()
          restart = true
          break
        }
        if (typeof next === 'object') {
          if (next.print && !this.#quiet) this.#line(this.#pattern)
          this.#flush()
          return next.status
        }
        if (next !== undefined) at = next - 1
      }
    }
    return this.#endCycle(false)
  }

  #endCycle(deleted: boolean): undefined {
    if (!deleted && !this.#quiet) this.#line(this.#pattern)
    this.#flush()
    return undefined
  }

  #matches(address: Address): boolean {
    switch (address.type) {
      case 'line':
        return this.#number === address.line
      case 'last':
        return this.#isLast
      case 'step':
        return address.step === 0
          ? this.#number === address.first
          : this.#number >= address.first && (this.#number - address.first) % address.step === 0
      case 'regex': {
        const regex = this.#regex(address.regex)
        regex.lastIndex = 0
        return regex.test(this.#pattern)
      }
      default:
        return false
    }
  }

  #regex(given: RegExp | undefined): RegExp {
    const regex = given ?? this.#lastRegex
    if (!regex) throw new ToolError('no previous regular expression')
    this.#lastRegex = regex
    return regex
  }

  #selected(command: SedCommand): boolean {
    return this.#inRange(command) !== command.negated
  }

  #inRange({ from, to, state }: SedCommand): boolean {
    if (!from) return true
    if (!to) return this.#matches(from)
    if (state.open) {
      if (to.type === 'line' || to.type === 'offset' || to.type === 'multiple') {
        if (this.#number >= state.until) state.open = false
        return this.#number <= state.until
      }
      if (this.#matches(to)) state.open = false
      return true
    }
    const fromStart = from.type === 'line' && from.line === 0
    if (!fromStart && !this.#matches(from)) return false
    if (fromStart && this.#number > 1) return false
    if (to.type === 'line') state.until = to.line
    else if (to.type === 'offset') state.until = this.#number + to.lines
    else if (to.type === 'multiple') state.until = to.of > 0 ? Math.ceil(this.#number / to.of) * to.of : this.#number
    else {
      state.open = !(fromStart && this.#matches(to))
      return true
    }
    state.open = state.until > this.#number
    return true
  }

  /** @returns where to go on: an index, or how the cycle ends */
  #execute(
    command: SedCommand,
    at: number,
  ): number | 'end' | 'delete' | 'restart' | { status: number; print: boolean } | undefined {
    switch (command.name) {
      case 's':
        this.#substitute(command.substitution!)
        return undefined
      case 'p':
        this.#line(this.#pattern)
        return undefined
      case 'P':
        this.#print(this.#pattern.split('\n')[0]! + this.#delimiter)
        return undefined
      case 'd':
        return 'delete'
      case 'D': {
        const end = this.#pattern.indexOf('\n')
        if (end < 0) return 'delete'
        this.#pattern = this.#pattern.slice(end + 1)
        return 'restart'
      }
      case 'n':
        if (this.#isLast) return { status: 0, print: true }
        if (!this.#quiet) this.#line(this.#pattern)
        this.#flush()
        this.#advance(false)
        return undefined
      case 'N':
        if (this.#isLast) return { status: 0, print: true }
        this.#flush()
        this.#advance(true)
        return undefined
      case 'h':
        this.#hold = this.#pattern
        return undefined
      case 'H':
        this.#hold += `\n${this.#pattern}`
        return undefined
      case 'g':
        this.#pattern = this.#hold
        return undefined
      case 'G':
        this.#pattern += `\n${this.#hold}`
        return undefined
      case 'x':
        ;[this.#pattern, this.#hold] = [this.#hold, this.#pattern]
        return undefined
      case 'z':
        this.#pattern = ''
        return undefined
      case '=':
        this.#print(`${this.#number}\n`)
        return undefined
      case 'l':
        this.#print(`${visible(this.#pattern)}$\n`)
        return undefined
      case 'y':
        this.#pattern = [...this.#pattern].map((c) => command.map!.get(c) ?? c).join('')
        return undefined
      case 'a':
        this.#appended.push(command.text)
        return undefined
      case 'i':
        this.#print(command.text)
        return undefined
      case 'c':
        // Of a range once, at its end.
        if (!command.to || command.negated || !command.state.open) this.#print(command.text)
        return 'delete'
      case 'r':
        if (this.#context.files.find(command.text)?.kind === 'file')
          this.#appended.push(textOf(this.#context.files.read(command.text)))
        return undefined
      case 'w':
        this.#keep(command.text, `${this.#pattern}\n`)
        return undefined
      case 'b':
        return command.jump
      case 't':
      case 'T': {
        const jumps = this.#substituted === (command.name === 't')
        this.#substituted = false
        return jumps ? command.jump : undefined
      }
      case 'q':
      case 'Q':
        return { status: command.status, print: command.name === 'q' }
      default:
        return at + 1
    }
  }

  #keep(file: string, text: string): void {
    this.#written.set(file, (this.#written.get(file) ?? '') + text)
  }

  #substitute({ regex: given, replacement, global, number, print, file }: Substitution): void {
    const regex = this.#regex(given)
    let count = 0
    let changed = false
    const text = this.#pattern
    let out = ''
    let from = 0
    regex.lastIndex = 0
    for (let match = regex.exec(text); match; match = regex.exec(text)) {
      count++
      if (count >= number) {
        out += text.slice(from, match.index) + replaced(replacement, match)
        from = match.index + match[0].length
        changed = true
        if (!global) break
      }
      if (match[0] === '') regex.lastIndex++
      // An empty match right behind another one is none.
      else if (regex.lastIndex < text.length || !global) continue
      else break
    }
    if (!changed) return
    this.#pattern = out + text.slice(from)
    this.#substituted = true
    if (print) this.#line(this.#pattern)
    if (file !== undefined) this.#keep(file, `${this.#pattern}\n`)
  }
}

function replaced(parts: readonly ReplacementPart[], match: RegExpExecArray): string {
  let out = ''
  let mode = ''
  let once = ''
  const add = (text: string) => {
    let t = mode === 'U' ? text.toUpperCase() : mode === 'L' ? text.toLowerCase() : text
    if (once !== '' && t !== '') {
      t = (once === 'u' ? t[0]!.toUpperCase() : t[0]!.toLowerCase()) + t.slice(1)
      once = ''
    }
    out += t
  }
  for (const part of parts) {
    if (part.type === 'text') add(part.text)
    else if (part.type === 'group') add(match[part.group] ?? '')
    else if (part.to === 'u' || part.to === 'l') once = part.to
    else mode = part.to === 'E' ? '' : part.to
  }
  return out
}

function visible(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '\\': '\\\\',
    '\x07': '\\a',
    '\b': '\\b',
    '\f': '\\f',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\v': '\\v',
  }
  return text.replace(/[\\\x00-\x1f\x7f-\xff]/g, (c) => names[c] ?? `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
}
