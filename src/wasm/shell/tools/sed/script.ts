import { ToolError } from '../../command.js'
import { regexSource } from '../../regex.js'

/** What selects a line. */
export type Address =
  | { type: 'line'; line: number }
  | { type: 'last' }
  | { type: 'regex'; regex: RegExp | undefined }
  | { type: 'step'; first: number; step: number }
  | { type: 'offset'; lines: number }
  | { type: 'multiple'; of: number }

/** One command. */
export interface SedCommand {
  from?: Address | undefined
  to?: Address | undefined
  negated: boolean
  name: string
  /** Text of a, i, c; label of b, t, :; file of r, w. */
  text: string
  substitution?: Substitution
  /** From and to of `y`. */
  map?: Map<string, string>
  /** Exit status of q and Q. */
  status: number
  /** Where a block ends, where a branch leads: index of a command. */
  jump: number
  /** Whether the range is open, and at which line it closes. */
  state: { open: boolean; until: number }
}

export interface Substitution {
  /** Undefined: the last one used. */
  regex: RegExp | undefined
  replacement: ReplacementPart[]
  global: boolean
  /** Which match is replaced. */
  number: number
  print: boolean
  file?: string | undefined
}

export type ReplacementPart =
  | { type: 'text'; text: string }
  | { type: 'group'; group: number }
  | { type: 'case'; to: string }

/** Parses a script. @throws {ToolError} @see POSIX.1-2017, XCU sed; GNU's additions that Dockerfiles use */
export function parseSed(script: string, extended: boolean): SedCommand[] {
  return new SedParser(script, extended).run()
}

class SedParser {
  readonly #text: string
  readonly #extended: boolean
  #at = 0
  readonly #out: SedCommand[] = []
  readonly #blocks: number[] = []

  constructor(text: string, extended: boolean) {
    this.#text = text
    this.#extended = extended
  }

  run(): SedCommand[] {
    for (;;) {
      this.#skip(/[\s;]*/y)
      if (this.#at >= this.#text.length) break
      if (this.#text[this.#at] === '#') this.#skip(/[^\n]*/y)
      else this.#command()
    }
    if (this.#blocks.length > 0) this.#fail('unmatched `{')
    this.#resolve()
    return this.#out
  }

  #fail(message: string): never {
    throw new ToolError(`-e expression #1, char ${this.#at}: ${message}`)
  }

  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const [found] = pattern.exec(this.#text) ?? ['']
    this.#at += found.length
    return found
  }

  #resolve(): void {
    for (const command of this.#out) {
      if (!'btT'.includes(command.name)) continue
      const target = this.#out.findIndex((c) => c.name === ':' && c.text === command.text)
      if (command.text !== '' && target < 0) this.#fail(`can't find label for jump to '${command.text}'`)
      command.jump = command.text === '' ? this.#out.length : target
    }
  }

  #command(): void {
    const from = this.#address()
    let to: Address | undefined
    if (from) {
      this.#skip(/[ \t]*/y)
      if (this.#text[this.#at] === ',') {
        this.#at++
        this.#skip(/[ \t]*/y)
        to = this.#endAddress()
      }
    }
    this.#skip(/[ \t]*/y)
    const negated = this.#skip(/[! \t]*/y).includes('!')
    const name = this.#text[this.#at++]
    if (name === undefined) this.#fail('missing command')
    const command: SedCommand = {
      from,
      to,
      negated,
      name,
      text: '',
      status: 0,
      jump: 0,
      state: { open: false, until: 0 },
    }
    this.#out.push(command)
    this.#arguments(command)
  }

  #endAddress(): Address {
    const sign = this.#text[this.#at]
    if (sign === '+' || sign === '~') {
      this.#at++
      const n = Number(this.#skip(/\d+/y))
      return sign === '+' ? { type: 'offset', lines: n } : { type: 'multiple', of: n }
    }
    return this.#address() ?? this.#fail('unexpected `,')
  }

  #address(): Address | undefined {
    const c = this.#text[this.#at]
    if (c === '$') {
      this.#at++
      return { type: 'last' }
    }
    if (c === '/' || c === '\\') {
      if (c === '\\') this.#at++
      const delimiter = this.#text[this.#at++]!
      const source = this.#delimited(delimiter, true)
      const flags = this.#skip(/[IM]*/y)
      return { type: 'regex', regex: this.#regex(source, flags) }
    }
    const digits = this.#skip(/\d+/y)
    if (digits === '') return undefined
    if (this.#text[this.#at] !== '~') return { type: 'line', line: Number(digits) }
    this.#at++
    return { type: 'step', first: Number(digits), step: Number(this.#skip(/\d+/y)) }
  }

  #regex(source: string, flags: string): RegExp | undefined {
    if (source === '') return undefined
    const translated = regexSource(source, this.#extended, 1)
    try {
      return new RegExp(
        translated,
        `g${flags.includes('I') || flags.includes('i') ? 'i' : ''}${flags.includes('M') ? 'm' : ''}`,
      )
    } catch {
      return this.#fail('invalid regular expression')
    }
  }

  /** Text up to the delimiter; an escaped delimiter is the character itself. */
  #delimited(delimiter: string, regex: boolean): string {
    let out = ''
    for (let bracket = false; ; ) {
      const c = this.#text[this.#at++]
      if (c === undefined) this.#fail('unterminated address or command: a delimiter is missing')
      if (c === '\\') {
        const next = this.#text[this.#at++] ?? ''
        if (next === delimiter)
          out +=
            regex && /[*+?.^$|(){}[\]]/.test(next)
              ? next === '|' || '(){}+?'.includes(next)
                ? next
                : `\\${next}`
              : next
        else if (next === 'n' && regex) out += '\n'
        else out += `\\${next}`
        continue
      }
      if (regex && c === '[' && !bracket) {
        bracket = true
        out += c
        const lead = this.#skip(/\^?\]?/y)
        out += lead
        continue
      }
      if (bracket) {
        const named = c === '[' ? this.#skip(/[:.=][^\]]*[:.=]\]/y) : ''
        out += c + named
        if (c === ']') bracket = false
        continue
      }
      if (c === delimiter) return out
      out += c
    }
  }

  #arguments(command: SedCommand): void {
    switch (command.name) {
      case '{':
        this.#blocks.push(this.#out.length - 1)
        return
      case '}': {
        const open = this.#blocks.pop()
        if (open === undefined || command.from) this.#fail('unexpected `}')
        this.#out[open!]!.jump = this.#out.length
        this.#end()
        return
      }
      case 's':
        this.#substitute(command)
        return
      case 'y':
        this.#transliterate(command)
        return
      case 'a':
      case 'i':
      case 'c':
        command.text = this.#lines()
        return
      case ':':
        this.#skip(/[ \t]*/y)
        command.text = this.#skip(/[^\s;]*/y)
        return
      case 'b':
      case 't':
      case 'T':
        this.#skip(/[ \t]*/y)
        command.text = this.#skip(/[^\s;}]*/y)
        this.#end()
        return
      case 'r':
      case 'w':
        this.#skip(/[ \t]*/y)
        command.text = this.#skip(/[^\n]*/y)
        if (command.text === '') this.#fail('missing filename in r/R/w/W commands')
        return
      case 'q':
      case 'Q':
        this.#skip(/[ \t]*/y)
        command.status = Number(this.#skip(/\d*/y) || 0)
        this.#end()
        return
      default:
        if (!'dDgGhHlnNpPx=z'.includes(command.name)) this.#fail(`unknown command: '${command.name}'`)
        this.#end()
    }
  }

  #end(): void {
    this.#skip(/[ \t]*/y)
    const c = this.#text[this.#at]
    if (c !== undefined && !/[;\n}#]/.test(c)) this.#fail('extra characters after command')
  }

  /** Text of a, i, c: on the next lines in the old form, on this one in GNU's. */
  #lines(): string {
    this.#skip(/[ \t]*/y)
    if (this.#text[this.#at] === '\\') {
      this.#at++
      if (!/^[ \t]*\n/.test(this.#text.slice(this.#at))) this.#skip(/[ \t]*/y)
      else this.#skip(/[ \t]*\n/y)
    }
    let out = ''
    while (this.#at < this.#text.length) {
      const c = this.#text[this.#at++]!
      if (c === '\n') break
      out += c === '\\' ? (this.#text[this.#at++] ?? '') : c
    }
    return `${out}\n`
  }

  #substitute(command: SedCommand): void {
    const delimiter = this.#text[this.#at++]
    if (delimiter === undefined || delimiter === '\n' || delimiter === '\\') this.#fail("unterminated `s' command")
    const source = this.#delimited(delimiter!, true)
    const replacement = this.#delimitedReplacement(delimiter!)
    const flags = this.#skip(/[gpiIM0-9]*/y)
    const substitution: Substitution = {
      regex: this.#regex(source, flags),
      replacement,
      global: flags.includes('g'),
      number: Number(/\d+/.exec(flags)?.[0] ?? 1),
      print: flags.includes('p'),
    }
    if (this.#text[this.#at] === 'w') {
      this.#at++
      substitution.file = this.#skip(/[^\n]*/y).trim()
    } else if (this.#text[this.#at] === 'e') this.#fail("the flag 'e' is not supported here")
    else this.#end()
    command.substitution = substitution
  }

  #delimitedReplacement(delimiter: string): ReplacementPart[] {
    const parts: ReplacementPart[] = []
    const text = (t: string) => {
      const last = parts.at(-1)
      if (last?.type === 'text') last.text += t
      else parts.push({ type: 'text', text: t })
    }
    for (;;) {
      const c = this.#text[this.#at++]
      if (c === undefined) return this.#fail("unterminated `s' command")
      if (c === delimiter) return parts
      if (c === '&') parts.push({ type: 'group', group: 0 })
      else if (c !== '\\') text(c)
      else {
        const next = this.#text[this.#at++] ?? ''
        if (/\d/.test(next)) parts.push({ type: 'group', group: Number(next) })
        else if ('LUElu'.includes(next)) parts.push({ type: 'case', to: next })
        else text({ n: '\n', t: '\t', r: '\r', f: '\f', v: '\v', a: '\x07' }[next] ?? next)
      }
    }
  }

  #transliterate(command: SedCommand): void {
    const delimiter = this.#text[this.#at++] ?? ''
    const plain = (text: string) =>
      text.replace(/\\(.)/gs, (all, c: string) => (c === 'n' ? '\n' : c === '\\' ? '\\' : all))
    const from = [...plain(this.#delimited(delimiter, false))]
    const to = [...plain(this.#delimited(delimiter, false))]
    if (from.length !== to.length) this.#fail("strings for `y' command are different lengths")
    command.map = new Map(from.map((c, i) => [c, to[i]!]))
    this.#end()
  }
}
