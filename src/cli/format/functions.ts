import { quote, sprintf } from './printf.js'
import { formatValue, isTrue, lengthOf, Nil, toJson, typeName } from './value.js'

/** A function of a template. A thrown `Error` becomes `error calling NAME: …`. */
export type TemplateFunction = (...args: unknown[]) => unknown

/** Raised when an argument has the wrong type, which Go reports without `error calling`. */
export class ArgumentTypeError extends Error {
  readonly index: number
  constructor(index: number, expected: string, value: unknown) {
    super(`wrong type for value; expected ${expected}; got ${typeName(value)}`)
    this.index = index
  }
}

function text(value: unknown, index: number): string {
  if (typeof value !== 'string') throw new ArgumentTypeError(index, 'string', value)
  return value
}

function integer(value: unknown, index: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new ArgumentTypeError(index, 'int', value)
  return value
}

function list(value: unknown, index: number): readonly unknown[] {
  if (value instanceof Nil && value.of === 'slice') return []
  if (!Array.isArray(value)) throw new ArgumentTypeError(index, '[]string', value)
  return value
}

/** Go's `fmt.Sprint`: a space between two operands when neither is a string. */
export function sprint(args: readonly unknown[]): string {
  return args.reduce<string>((out, v, i) => {
    const gap = i > 0 && typeof v !== 'string' && typeof args[i - 1] !== 'string'
    return out + (gap ? ' ' : '') + formatValue(v)
  }, '')
}

function compare(a: unknown, b: unknown): number {
  const basic = (v: unknown) => ['string', 'number', 'boolean'].includes(typeof v)
  if (a === b && basic(a)) return 0
  if ((a === undefined || a === null) && (b === undefined || b === null)) return 0
  if (a === undefined || a === null || b === undefined || b === null) return 1
  if (!basic(a) || !basic(b)) throw new Error('non-comparable type')
  if (typeof a !== typeof b) throw new Error('incompatible types for comparison')
  return (a as string | number) < (b as string | number) ? -1 : 1
}

function ordered(a: unknown, b: unknown): number {
  if (typeof a === 'boolean' || typeof b === 'boolean') throw new Error('invalid type for comparison')
  return compare(a, b)
}

function index(...args: unknown[]): unknown {
  return args.slice(1).reduce((value, key) => {
    if (value === undefined || value === null) throw new Error('index of untyped nil')
    if (value instanceof Map) return value.has(key) ? value.get(key) : zeroLike(value)
    if (value instanceof Nil && value.of === 'map') return ''
    const length = lengthOf(value)
    if (length === undefined) throw new Error(`can't index item of type ${typeName(value)}`)
    if (typeof key !== 'number') throw new Error(`cannot index slice/array with type ${typeName(key)}`)
    if (key < 0 || key >= length) throw new Error(`index out of range: ${key}`)
    return typeof value === 'string' ? Buffer.from(value)[key] : (value as unknown[])[key]
  }, args[0])
}

/** A missing key of a map of strings is the empty string; of any other map it is nil. */
function zeroLike(map: Map<unknown, unknown>): unknown {
  for (const v of map.values()) return typeof v === 'string' ? '' : undefined
  return ''
}

function slice(...args: unknown[]): unknown {
  const value = args[0]
  const length = lengthOf(value)
  if (length === undefined || value instanceof Map) throw new Error(`can't slice item of type ${typeName(value)}`)
  const from = args.length > 1 ? integer(args[1], 1) : 0
  const to = args.length > 2 ? integer(args[2], 2) : length
  for (const at of [from, to]) if (at < 0 || at > length) throw new Error(`index out of range: ${at}`)
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`)
  if (typeof value === 'string') return Buffer.from(value).subarray(from, to).toString()
  return value instanceof Nil ? value : (value as unknown[]).slice(from, to)
}

function length(value: unknown): number {
  const n = lengthOf(value)
  if (n === undefined) throw new Error(`len of type ${typeName(value)}`)
  return n
}

const WORD_START = /(^|[^\p{L}\p{N}_'])(\p{L})/gu

const HTML: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' }

/** Go's built-in functions and docker's; `and`, `or` are the evaluator's, because they stop early. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  not: (v) => !isTrue(v),
  eq: (a, ...rest) => {
    if (!rest.length) throw new Error('missing argument for comparison')
    return rest.some((b) => compare(a, b) === 0)
  },
  ne: (a, b) => compare(a, b) !== 0,
  lt: (a, b) => ordered(a, b) < 0,
  le: (a, b) => ordered(a, b) <= 0,
  gt: (a, b) => ordered(a, b) > 0,
  ge: (a, b) => ordered(a, b) >= 0,
  len: length,
  index,
  slice,
  print: (...args) => sprint(args),
  println: (...args) => `${args.map((v) => formatValue(v)).join(' ')}\n`,
  printf: (format, ...args) => sprintf(text(format, 0), args),
  html: (...args) => sprint(args).replace(/[&<>"']/g, (c) => HTML[c]!),
  urlquery: (...args) => encodeURIComponent(sprint(args)).replaceAll('%20', '+'),
  js: (...args) => quote(sprint(args)).slice(1, -1),
  json: (value) => toJson(value),
  split: (s, separator) => text(s, 0).split(text(separator, 1)),
  join: (values, separator) => list(values, 0).map(String).join(text(separator, 1)),
  title: (s) => text(s, 0).replace(WORD_START, (_, before: string, c: string) => before + c.toUpperCase()),
  lower: (s) => text(s, 0).toLowerCase(),
  upper: (s) => text(s, 0).toUpperCase(),
  pad: (s, before, after) => text(s, 0) && ' '.repeat(integer(before, 1)) + s + ' '.repeat(integer(after, 2)),
  truncate: (s, length) => [...text(s, 0)].slice(0, Math.max(0, integer(length, 1))).join(''),
}
