import { formatValue, typeName } from './value.js'

const VERB = /%([-+# 0]*)(\d+|\*)?(?:\.(\d+|\*)?)?([\s\S]?)/g

/**
 * Go's `fmt.Sprintf` for the values a template can hold, faults included (`%!d(string=x)`, `%!s(MISSING)`).
 *
 * @see Go package fmt
 */
export function sprintf(format: string, args: readonly unknown[]): string {
  let next = 0
  const number = (text: string | undefined) => {
    if (text !== '*') return text === undefined ? undefined : Number(text)
    const n = args[next++]
    return typeof n === 'number' ? n : undefined
  }
  const out = format.replace(VERB, (whole, flags: string, width?: string, precision?: string, verb?: string) => {
    const columns = number(width)
    const digits = whole.includes('.') ? (number(precision) ?? 0) : undefined
    if (!verb) return '%!(NOVERB)'
    if (verb === '%') return '%'
    if (next >= args.length) return `%!${verb}(MISSING)`
    return pad(formatVerb(verb, args[next++], flags, digits), columns, flags, verb)
  })
  if (next >= args.length || format.includes('%!')) return out
  const extra = args.slice(next).map((v) => `${typeName(v)}=${formatValue(v)}`)
  return `${out}%!(EXTRA ${extra.join(', ')})`
}

function pad(text: string, columns: number | undefined, flags: string, verb: string): string {
  const length = [...text].length
  if (columns === undefined || length >= columns) return text
  const fill = columns - length
  if (flags.includes('-')) return text + ' '.repeat(fill)
  if (!flags.includes('0') || !/[a-zA-Z]/.test(verb) || 'sqv'.includes(verb)) return ' '.repeat(fill) + text
  const sign = /^[+-]/.exec(text)?.[0] ?? ''
  return sign + '0'.repeat(fill) + text.slice(sign.length)
}

function formatVerb(verb: string, value: unknown, flags: string, digits: number | undefined): string {
  if (verb === 'T') return value === undefined || value === null ? '<nil>' : typeName(value)
  if (verb === 'v') return formatValue(value, flags.includes('+'))
  if (Array.isArray(value)) return `[${value.map((v) => formatVerb(verb, v, flags, digits)).join(' ')}]`
  if (typeof value === 'string') return formatString(verb, value, digits) ?? wrong(verb, value)
  if (typeof value === 'number') return formatNumber(verb, value, flags, digits) ?? wrong(verb, value)
  if (typeof value === 'boolean') return verb === 't' ? String(value) : wrong(verb, value)
  if (value === undefined || value === null) return `%!${verb}(<nil>)`
  return formatValue(value)
}

function wrong(verb: string, value: unknown): string {
  return `%!${verb}(${typeName(value)}=${formatValue(value)})`
}

function formatString(verb: string, value: string, digits: number | undefined): string | undefined {
  const text = digits === undefined ? value : [...value].slice(0, digits).join('')
  if (verb === 's') return text
  if (verb === 'q') return quote(text)
  if (verb === 'x') return Buffer.from(text).toString('hex')
  if (verb === 'X') return Buffer.from(text).toString('hex').toUpperCase()
  return undefined
}

/** Go's `strconv.Quote`, which JSON's quoting equals but for control characters. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(/\\u00([01][\da-f]|7f)/g, (_, hex: string) => {
    return hex === '07' ? '\\a' : hex === '0b' ? '\\v' : `\\x${hex}`
  })
}

function formatNumber(verb: string, value: number, flags: string, digits: number | undefined): string | undefined {
  const sign = flags.includes('+') && value >= 0 ? '+' : flags.includes(' ') && value >= 0 ? ' ' : ''
  if ('eEfFgG'.includes(verb)) return sign + formatFloat(verb, value, digits)
  if (!Number.isInteger(value)) return undefined
  const prefix = (text: string) => (flags.includes('#') ? text : '')
  switch (verb) {
    case 'd':
      return sign + value
    case 'x':
      return prefix('0x') + value.toString(16)
    case 'X':
      return prefix('0X') + value.toString(16).toUpperCase()
    case 'o':
      return prefix('0') + value.toString(8)
    case 'b':
      return prefix('0b') + value.toString(2)
    case 'c':
      return String.fromCodePoint(value)
    case 'q':
      return `'${String.fromCodePoint(value)}'`
    case 'U':
      return `U+${value.toString(16).toUpperCase().padStart(4, '0')}`
  }
  return undefined
}

function formatFloat(verb: string, value: number, digits: number | undefined): string {
  if (verb === 'f' || verb === 'F') return value.toFixed(digits ?? 6)
  const exponent = (text: string) => text.replace(/e([+-])(\d)$/, 'e$10$2')
  if (verb === 'e' || verb === 'E') return upperIf(verb, exponent(value.toExponential(digits ?? 6)))
  if (digits === undefined) return upperIf(verb, exponent(String(value)))
  return upperIf(verb, exponent(String(Number(value.toPrecision(digits || 1)))))
}

function upperIf(verb: string, text: string): string {
  return verb === verb.toUpperCase() ? text.toUpperCase() : text
}
