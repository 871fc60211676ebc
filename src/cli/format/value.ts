import { terminalJson } from '../printable.js'

/**
 * How Go's values look in JavaScript while a template runs:
 *
 * - a plain object is a struct: its fields are known, an unknown one is an error, it prints as `{a b}`
 * - a `Map` is a Go map: a missing key is no value, it prints sorted as `map[k:v]`
 * - an array is a slice, prints as `[a b]`
 * - `NIL_SLICE` and `NIL_MAP` are empty ones that print as JSON `null`
 * - `undefined` and `null` are Go's nil
 */
export class Nil {
  readonly of: 'slice' | 'map'
  constructor(of: 'slice' | 'map') {
    this.of = of
  }
  toJSON(): null {
    return null
  }
}

export const NIL_SLICE = new Nil('slice')
export const NIL_MAP = new Nil('map')

/** A struct by the meaning above. */
export function isStruct(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** Go's notion of an empty value decides `if` and `with`; a struct is never empty. */
export function isTrue(value: unknown): boolean {
  if (value === undefined || value === null || value instanceof Nil) return false
  if (Array.isArray(value)) return value.length > 0
  if (value instanceof Map) return value.size > 0
  if (typeof value === 'object') return true
  return Boolean(value)
}

/** Number of elements, or undefined for what has none. Strings count bytes, as in Go. */
export function lengthOf(value: unknown): number | undefined {
  if (value instanceof Nil) return 0
  if (Array.isArray(value)) return value.length
  if (value instanceof Map) return value.size
  if (typeof value === 'string') return Buffer.byteLength(value)
  return undefined
}

/** Entries in the order in which `range` visits them; undefined for what can't be ranged over. */
export function entriesOf(value: unknown): [unknown, unknown][] | undefined {
  if (value === undefined || value === null || value instanceof Nil) return []
  if (Array.isArray(value)) return value.map((v, i) => [i, v])
  if (value instanceof Map) return sortedEntries(value)
  if (typeof value === 'number' && Number.isInteger(value)) {
    return Array.from({ length: Math.max(0, value) }, (_, i) => [i, i])
  }
  return undefined
}

function sortedEntries(map: Map<unknown, unknown>): [unknown, unknown][] {
  return [...map].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
}

/** Name of the Go type, for messages and `%T`. */
export function typeName(value: unknown): string {
  if (value === undefined || value === null) return 'nil'
  if (typeof value === 'string') return 'string'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64'
  if (Array.isArray(value) || value === NIL_SLICE) {
    return Array.isArray(value) && value.some((v) => typeof v !== 'string') ? '[]interface {}' : '[]string'
  }
  return isStruct(value) ? 'struct' : 'map[string]interface {}'
}

/** `%v`, or `%+v` with `fields`: a value as Go's fmt prints it. */
export function formatValue(value: unknown, fields = false): string {
  if (value === undefined || value === null) return '<nil>'
  if (value === NIL_MAP) return 'map[]'
  if (value === NIL_SLICE) return '[]'
  if (Array.isArray(value)) return `[${value.map((v) => formatValue(v, fields)).join(' ')}]`
  if (value instanceof Map) {
    return `map[${sortedEntries(value)
      .map(([k, v]) => `${formatValue(k)}:${formatValue(v, fields)}`)
      .join(' ')}]`
  }
  if (isStruct(value)) {
    const shown = Object.entries(value).map(([k, v]) => (fields ? `${k}:` : '') + formatValue(v, fields))
    return `{${shown.join(' ')}}`
  }
  if (typeof value === 'number') return formatNumber(value)
  return String(value)
}

function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return String(value)
  return String(value).replace(/e([+-])(\d)$/, 'e$10$2')
}

/** Value → what `JSON.stringify` must be given: maps become objects with sorted keys. */
export function toJsonValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toJsonValue)
  if (value instanceof Map) return Object.fromEntries(sortedEntries(value).map(([k, v]) => [String(k), toJsonValue(v)]))
  if (isStruct(value)) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, toJsonValue(v)]))
  return value === undefined ? null : value
}

/** One line of JSON as docker's `json` function and `--format json` print it. */
export function toJson(value: unknown): string {
  return terminalJson(JSON.stringify(toJsonValue(value)))
}
