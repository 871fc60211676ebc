import { textOf } from '../bytes.js'
import type { Builtin, BuiltinContext } from '../command.js'
import { ShellError } from '../error.js'
import type { ShellState } from '../state.js'

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** A value as the shell reads it again. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`
}

function marking(mark: 'exported' | 'readonly'): Builtin {
  return (args, { state, out, name }) => {
    const words = args.filter((a) => a !== '-p' && a !== '--')
    if (words.length === 0) {
      const all = [...state.variables].filter(([, v]) => v[mark]).sort(([a], [b]) => (a < b ? -1 : 1))
      for (const [key, { value }] of all) out.text(`${name} ${key}${value === undefined ? '' : `=${quoted(value)}`}\n`)
    }
    for (const word of words) {
      const [key, value] = word.split(/=(.*)/s) as [string, string | undefined]
      if (!NAME.test(key)) throw new ShellError(`${name}: ${key}: bad variable name`, 2)
      if (value !== undefined) state.set(key, value)
      const known = state.variables.get(key) ?? { value: undefined, exported: false, readonly: false }
      state.variables.set(key, { ...known, [mark]: true })
    }
    return 0
  }
}

const set: Builtin = (args, { state, out }) => {
  if (args.length === 0) {
    const all = [...state.variables].filter(([, v]) => v.value !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))
    for (const [key, { value }] of all) out.text(`${key}=${quoted(value!)}\n`)
    return 0
  }
  let i = 0
  for (; i < args.length; i++) {
    const word = args[i]!
    if (word === '--') {
      state.args = args.slice(i + 1) as string[]
      return 0
    }
    if (word === '-') {
      state.options.delete('x')
      state.args = args.slice(i + 1) as string[]
      return 0
    }
    if (!/^[-+]./.test(word)) break
    i += setLetters(state, word, args[i + 1])
  }
  if (i < args.length) state.args = args.slice(i) as string[]
  return 0
}

const LONG: Readonly<Record<string, string>> = {
  allexport: 'a',
  errexit: 'e',
  noclobber: 'C',
  noglob: 'f',
  nounset: 'u',
  verbose: 'v',
  xtrace: 'x',
}

/** @returns how many further arguments it took */
function setLetters(state: ShellState, word: string, next: string | undefined): number {
  const on = word.startsWith('-')
  const change = (letter: string) => (on ? state.options.add(letter) : state.options.delete(letter))
  let taken = 0
  for (const letter of word.slice(1)) {
    if (letter === 'o') {
      const long = LONG[next ?? '']
      if (!long) throw new ShellError(`set: Illegal option -o ${next ?? ''}`.trimEnd(), 2)
      change(long)
      taken = 1
    } else if ('aefuxvChmbn'.includes(letter)) change(letter)
    else throw new ShellError(`set: Illegal option -${letter}`, 2)
  }
  return taken
}

const read: Builtin = (args, { state, stdin }) => {
  let raw = false
  const names: string[] = []
  for (const [i, word] of args.entries()) {
    if (word === '-r') raw = true
    else if (word === '-p' || args[i - 1] === '-p') continue
    else if (/^-./.test(word)) throw new ShellError(`read: Illegal option ${word}`, 2)
    else names.push(word)
  }
  if (names.length === 0) throw new ShellError('read: arg count', 2)
  const { text, ended } = readLine(stdin, raw)
  const ifs = state.get('IFS') ?? ' \t\n'
  const values = splitLine(text, ifs, names.length)
  for (const [i, name] of names.entries()) state.set(name, values[i] ?? '')
  return ended ? 1 : 0
}

/** A line, byte by byte: what follows it is left for the next reader. Escaped characters come with a 0 before them. */
function readLine(stdin: BuiltinContext['stdin'], raw: boolean): { text: string; ended: boolean } {
  let text = ''
  const one = new Uint8Array(1)
  for (let escaped = false; ; ) {
    if (stdin.read(one) === 0) return { text, ended: true }
    const c = textOf(one)
    if (escaped) {
      if (c !== '\n') text += `\0${c}`
      escaped = false
    } else if (c === '\\' && !raw) escaped = true
    else if (c === '\n') return { text, ended: false }
    else if (c !== '\0') text += c
  }
}

/** Splits as `read` does: the last name takes all that is left, without separators at its ends. */
function splitLine(text: string, ifs: string, count: number): string[] {
  const blank = (c: string) => ifs.includes(c) && ' \t\n'.includes(c) && c !== ''
  const chars = text.match(/\0?./gs) ?? []
  const out: string[] = []
  let at = 0
  const skipBlanks = () => {
    while (at < chars.length && blank(chars[at]!)) at++
  }
  skipBlanks()
  while (out.length < count - 1 && at < chars.length) {
    let field = ''
    while (at < chars.length && !(chars[at]!.length === 1 && ifs.includes(chars[at]!))) field += plain(chars[at++]!)
    out.push(field)
    skipBlanks()
    if (at < chars.length && ifs.includes(chars[at]!) && !blank(chars[at]!)) {
      at++
      skipBlanks()
    }
  }
  let end = chars.length
  while (end > at && blank(chars[end - 1]!)) end--
  const rest = chars.slice(at, end)
  // One separator that ends the last field belongs to it no more than blanks do.
  const last = rest.at(-1)
  if (
    last !== undefined &&
    last.length === 1 &&
    ifs.includes(last) &&
    !rest.slice(0, -1).some((c) => c.length === 1 && ifs.includes(c))
  )
    rest.pop()
  if (at < chars.length || out.length < count) out.push(rest.map(plain).join(''))
  return out
}

function plain(c: string): string {
  return c.length > 1 ? c.slice(1) : c
}

const getopts: Builtin = (args, { state, warn }) => {
  const [spec, name, ...given] = args
  if (spec === undefined || name === undefined) throw new ShellError('getopts: Usage: getopts optstring var [arg]', 2)
  const words = given.length > 0 ? given : state.args
  let index = Number(state.get('OPTIND') ?? '1')
  let offset = state.getoptsIndex || 1
  const finish = () => {
    state.set('OPTIND', String(index))
    state.getoptsIndex = offset
  }
  const word = words[index - 1]
  if (word === undefined || !/^-./.test(word) || word === '--') {
    if (word === '--') index++
    offset = 0
    finish()
    state.set(name, '?')
    return 1
  }
  const letter = word[offset]!
  const found = letter === ':' ? -1 : spec.indexOf(letter, spec.startsWith(':') ? 1 : 0)
  offset++
  const next = () => {
    index++
    offset = 0
  }
  state.unset('OPTARG')
  if (found < 0) {
    if (spec.startsWith(':')) state.set('OPTARG', letter)
    else warn(`Illegal option -${letter}`)
    if (offset >= word.length) next()
    finish()
    state.set(name, '?')
    return 0
  }
  let result = letter
  if (spec[found + 1] === ':') {
    const inline = word.slice(offset)
    const value = inline !== '' ? inline : words[index]
    if (value === undefined) {
      if (spec.startsWith(':')) {
        result = ':'
        state.set('OPTARG', letter)
      } else {
        result = '?'
        warn(`No arg for -${letter} option`)
      }
    } else {
      state.set('OPTARG', value)
      if (inline === '') index++
    }
    next()
  } else if (offset >= word.length) next()
  finish()
  state.set(name, result)
  return 0
}

/** Builtins that read and set variables. */
export const variables: Readonly<Record<string, Builtin>> = {
  export: marking('exported'),
  readonly: marking('readonly'),
  set,
  read,
  getopts,
  local: (args, { state }) => {
    const scope = state.locals.at(-1)
    if (!scope) throw new ShellError('local: not in a function', 2)
    for (const word of args) {
      const [key, value] = word.split(/=(.*)/s) as [string, string | undefined]
      const known = state.variables.get(key)
      if (!scope.has(key)) scope.set(key, known && { ...known })
      if (value !== undefined) state.set(key, value)
    }
    return 0
  },
  shift: ([text = '1'], { state }) => {
    const count = Number(text)
    if (!/^\d+$/.test(text)) throw new ShellError(`shift: Illegal number: ${text}`, 2)
    if (count > state.args.length) throw new ShellError("shift: can't shift that many", 2)
    state.args = state.args.slice(count)
    return 0
  },
  unset: (args, { state }) => {
    const functions = args[0] === '-f'
    for (const name of args[0]?.startsWith('-') ? args.slice(1) : args)
      if (functions) state.functions.delete(name)
      else state.unset(name)
    return 0
  },
}
