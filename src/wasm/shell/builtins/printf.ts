import type { Builtin } from '../command.js'
import { ShellError } from '../error.js'

/** Backslash sequences of `echo` and `printf`. */
const SIMPLE: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  e: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
}

/**
 * Replaces backslash sequences.
 *
 * @param zero octal numbers begin with a 0, as `echo` and `%b` have them
 * @returns `stop` where `\c` ends all output
 */
export function unescaped(text: string, zero: boolean): { text: string; stop: boolean } {
  let stop = false
  const octal = zero ? /^0([0-7]{0,3})/ : /^([0-7]{1,3})/
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    const next = text[i + 1]
    if (c !== '\\' || next === undefined) {
      out += c
      continue
    }
    const rest = text.slice(i + 1)
    const number = octal.exec(rest) ?? (zero ? /^([1-7][0-7]{0,2})/.exec(rest) : null)
    if (number) {
      out += String.fromCharCode(Number.parseInt(number[1] || '0', 8) & 255)
      i += number[0].length
    } else if (next === 'c' && zero) {
      stop = true
      break
    } else if (Object.hasOwn(SIMPLE, next)) {
      out += SIMPLE[next]
      i++
    } else out += c
  }
  return { text: out, stop }
}

export const echo: Builtin = (args, { out }) => {
  const quiet = args[0] === '-n'
  const { text, stop } = unescaped((quiet ? args.slice(1) : args).join(' '), true)
  out.text(stop || quiet ? text : `${text}\n`)
  return 0
}

const DIRECTIVE = /%([-+ 0#']*)(\*|\d+)?(?:\.(\*|\d*))?([a-zA-Z%])/y

/** @see POSIX.1-2017, XCU printf */
export const printf: Builtin = (given, { out, warn }) => {
  const args = given[0] === '--' ? given.slice(1) : given
  const [format] = args
  if (format === undefined) throw new ShellError('printf: usage: printf format [arg ...]', 2)
  const run = new Formatting(format, args.slice(1), warn)
  out.text(run.all())
  return run.status
}

class Formatting {
  readonly #format: string
  readonly #args: readonly string[]
  readonly #warn: (message: string) => void
  #at = 0
  status = 0

  constructor(format: string, args: readonly string[], warn: (message: string) => void) {
    this.#format = format
    this.#args = args
    this.#warn = warn
  }

  /** The format as often as there are arguments for it. */
  all(): string {
    let out = ''
    do {
      const before = this.#at
      const { text, stop } = this.#once()
      out += text
      if (stop || this.#at === before) break
    } while (this.#at < this.#args.length)
    return out
  }

  #once(): { text: string; stop: boolean } {
    let out = ''
    for (let i = 0; i < this.#format.length; ) {
      const c = this.#format[i]!
      if (c === '\\') {
        const end = /^\\(?:[0-7]{1,3}|.|$)/s.exec(this.#format.slice(i))![0].length
        out += unescaped(this.#format.slice(i, i + end), false).text
        i += end
      } else if (c === '%') {
        DIRECTIVE.lastIndex = i
        const match = DIRECTIVE.exec(this.#format)
        if (!match) throw new ShellError(`printf: ${this.#format.slice(i)}: invalid directive`, 2)
        const { text, stop } = this.#directive(match)
        out += text
        if (stop) return { text: out, stop }
        i = DIRECTIVE.lastIndex
      } else {
        out += c
        i++
      }
    }
    return { text: out, stop: false }
  }

  #next(): string | undefined {
    return this.#args[this.#at++]
  }

  #directive([all, flags = '', width, precision, kind]: RegExpExecArray): { text: string; stop: boolean } {
    if (kind === '%') return { text: '%', stop: false }
    let columns = width === '*' ? Number(this.#number(this.#next())) : Number(width ?? 0)
    const left = flags.includes('-') || columns < 0
    columns = Math.abs(columns)
    const digits =
      precision === undefined
        ? undefined
        : precision === '*'
          ? Number(this.#number(this.#next()))
          : Number(precision || 0)
    const shape = { flags, columns, left, digits }
    switch (kind) {
      case 's':
        return { text: pad((this.#next() ?? '').slice(0, digits), shape), stop: false }
      case 'b': {
        const { text, stop } = unescaped(this.#next() ?? '', true)
        return { text: pad(text.slice(0, digits), shape), stop }
      }
      case 'c':
        return { text: pad((this.#next() ?? '').slice(0, 1), shape), stop: false }
      case 'd':
      case 'i':
      case 'u':
      case 'o':
      case 'x':
      case 'X':
        return { text: integer(this.#number(this.#next()), kind, shape), stop: false }
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        return { text: float(this.#float(this.#next()), kind, shape), stop: false }
      default:
        throw new ShellError(`printf: ${all}: invalid directive`, 2)
    }
  }

  #number(text: string | undefined): bigint {
    if (text === undefined || text === '') return 0n
    if (text[0] === '"' || text[0] === "'") return BigInt(text.charCodeAt(1) || 0)
    const match = /^\s*([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)/.exec(text)
    if (!match || match[0].length < text.length) {
      this.#warn(match ? `${text}: not completely converted` : `${text}: expected numeric value`)
      this.status = 1
      if (!match) return 0n
    }
    const digits = match[2]!
    const value = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits)
    return BigInt.asIntN(64, match[1] === '-' ? -value : value)
  }

  #float(text: string | undefined): number {
    if (text === undefined || text === '') return 0
    const value = Number(text)
    if (!Number.isNaN(value)) return value
    this.#warn(`${text}: expected numeric value`)
    this.status = 1
    return Number.parseFloat(text) || 0
  }
}

interface Shape {
  flags: string
  columns: number
  left: boolean
  digits: number | undefined
}

function pad(text: string, { columns, left }: Shape): string {
  return left ? text.padEnd(columns) : text.padStart(columns)
}

function integer(value: bigint, kind: string, shape: Shape): string {
  const signed = kind === 'd' || kind === 'i'
  const magnitude = signed ? (value < 0n ? -value : value) : BigInt.asUintN(64, value)
  let digits = magnitude.toString(kind === 'o' ? 8 : kind === 'x' || kind === 'X' ? 16 : 10)
  if (shape.digits !== undefined) digits = digits.padStart(shape.digits, '0')
  let prefix = ''
  if (signed) prefix = value < 0n ? '-' : shape.flags.includes('+') ? '+' : shape.flags.includes(' ') ? ' ' : ''
  if (shape.flags.includes('#') && magnitude !== 0n) {
    if (kind === 'o' && !digits.startsWith('0')) prefix = '0'
    if (kind === 'x' || kind === 'X') prefix = '0x'
  }
  return numeric(prefix, kind === 'X' ? digits.toUpperCase() : digits, shape, shape.digits === undefined, kind === 'X')
}

function numeric(prefix: string, digits: string, shape: Shape, zeros: boolean, upper: boolean): string {
  const sign = upper ? prefix.toUpperCase() : prefix
  if (zeros && shape.flags.includes('0') && !shape.left) return sign + digits.padStart(shape.columns - sign.length, '0')
  return pad(sign + digits, shape)
}

function float(value: number, kind: string, shape: Shape): string {
  const negative = value < 0 || Object.is(value, -0)
  const prefix = negative ? '-' : shape.flags.includes('+') ? '+' : shape.flags.includes(' ') ? ' ' : ''
  const upper = kind === kind.toUpperCase()
  if (!Number.isFinite(value)) return pad(prefix + (Number.isNaN(value) ? 'nan' : 'inf'), shape)
  const text = floatDigits(Math.abs(value), kind.toLowerCase(), shape.digits ?? 6, shape.flags.includes('#'))
  return numeric(prefix, upper ? text.toUpperCase() : text, shape, true, upper)
}

function floatDigits(value: number, kind: string, digits: number, alternate: boolean): string {
  if (kind === 'f') return value.toFixed(Math.min(digits, 100))
  const exponential = (n: number) => value.toExponential(n).replace(/e([-+])(\d)$/, 'e$10$2')
  if (kind === 'e') return exponential(Math.min(digits, 100))
  const precision = Math.max(1, Math.min(digits, 100))
  const exponent = value === 0 ? 0 : Number(value.toExponential(precision - 1).split('e')[1])
  const text =
    exponent < -4 || exponent >= precision
      ? exponential(precision - 1)
      : value.toFixed(Math.max(0, precision - 1 - exponent))
  if (alternate || !text.includes('.')) return text
  return text.replace(/\.?0+(?=e|$)/, '')
}
