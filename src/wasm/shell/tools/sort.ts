import { bytesOf, textOf } from '../bytes.js'
import { type Tool, ToolError } from '../command.js'
import { LineReader } from '../streams.js'
import { eachInput } from './each.js'
import { parseOptions } from './options.js'

/** One `-k`: from a field and character to another, with flags of its own. */
interface Key {
  from: { field: number; char: number; blanks: boolean }
  to?: { field: number; char: number; blanks: boolean }
  flags: string
}

const FLAGS = 'bdfghiMnRrV'

function parseKey(text: string): Key {
  const m = /^(\d+)(?:\.(\d+))?([a-zA-Z]*)(?:,(\d+)(?:\.(\d+))?([a-zA-Z]*))?$/.exec(text)
  if (!m || m[1] === '0') throw new ToolError(`invalid number at field start: invalid count at start of '${text}'`, 2)
  const [, field, char, flags = '', toField, toChar, toFlags = ''] = m
  for (const flag of flags + toFlags)
    if (!'bdfhinrV'.includes(flag)) throw new ToolError(`sort key flag '${flag}' is not supported here`, 2)
  return {
    from: { field: Number(field), char: Number(char ?? 1), blanks: flags.includes('b') },
    ...(toField === undefined
      ? {}
      : { to: { field: Number(toField), char: Number(toChar ?? 0), blanks: toFlags.includes('b') } }),
    flags: (flags + toFlags).replaceAll('b', ''),
  }
}

/** Starts and ends of the fields of a line. */
function fieldsOf(line: string, separator: string | undefined): [start: number, end: number][] {
  const out: [number, number][] = []
  if (separator !== undefined) {
    for (let at = 0; ; ) {
      const end = line.indexOf(separator, at)
      out.push([at, end < 0 ? line.length : end])
      if (end < 0) return out
      at = end + 1
    }
  }
  // The blanks before a field belong to it.
  for (const m of line.matchAll(/[ \t]*[^ \t]+|[ \t]+$/g)) out.push([m.index, m.index + m[0].length])
  return out.length > 0 ? out : [[0, line.length]]
}

function extract(line: string, key: Key, separator: string | undefined, blanks: boolean): string {
  const fields = fieldsOf(line, separator)
  const skip = (at: number) => at + /^[ \t]*/.exec(line.slice(at))![0].length
  const first = fields[key.from.field - 1]
  if (!first) return ''
  const start = (key.from.blanks || blanks ? skip(first[0]) : first[0]) + key.from.char - 1
  if (!key.to) return line.slice(start)
  const last = fields[key.to.field - 1]
  if (!last) return line.slice(start)
  const end = key.to.char === 0 ? last[1] : (key.to.blanks || blanks ? skip(last[0]) : last[0]) + key.to.char
  return line.slice(start, Math.max(start, Math.min(end, line.length)))
}

function numberOf(text: string): number {
  const m = /^[ \t]*(-?\d*(?:\.\d*)?)/.exec(text)
  return Number(m?.[1]) || 0
}

const UNITS = 'KMGTPEZY'

function humanOf(text: string): number {
  const m = /^[ \t]*(-?\d*(?:\.\d*)?)([KkMGTPEZY]?)/.exec(text)!
  const power = m[2] === '' ? 0 : UNITS.indexOf(m[2]!.toUpperCase()) + 1
  const value = Number(m[1]) || 0
  // The unit counts before the number does.
  return Math.sign(value) * (power * 1e18 + Math.abs(value))
}

/** As `sort -V`: digits compare as numbers, everything else as text. @see coreutils, Version sort ordering */
function compareVersions(a: string, b: string): number {
  const order = (c: string | undefined) =>
    c === undefined ? 0 : c === '~' ? -1 : /[A-Za-z]/.test(c) ? c.charCodeAt(0) : c.charCodeAt(0) + 256
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    while ((i < a.length && !/\d/.test(a[i]!)) || (j < b.length && !/\d/.test(b[j]!))) {
      const x = i < a.length && /\d/.test(a[i]!) ? 0 : order(a[i])
      const y = j < b.length && /\d/.test(b[j]!) ? 0 : order(b[j])
      if (x !== y) return x - y
      i++
      j++
    }
    const m = /^0*(\d*)/.exec(a.slice(i))!
    const n = /^0*(\d*)/.exec(b.slice(j))!
    if (m[1]!.length !== n[1]!.length) return m[1]!.length - n[1]!.length
    if (m[1] !== n[1]) return m[1]! < n[1]! ? -1 : 1
    i += m[0].length
    j += n[0].length
  }
  return 0
}

type Compare = (a: string, b: string) => number

function comparer(flags: string): Compare {
  const fold = flags.includes('f')
  const clean = (text: string) => {
    let t = fold ? text.toUpperCase() : text
    if (flags.includes('d')) t = t.replace(/[^0-9A-Za-z \t]/g, '')
    if (flags.includes('i')) t = t.replace(/[^\x20-\x7e]/g, '')
    return t
  }
  let compare: Compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
  if (flags.includes('n')) compare = (a, b) => numberOf(a) - numberOf(b)
  else if (flags.includes('h')) compare = (a, b) => humanOf(a) - humanOf(b)
  else if (flags.includes('g')) compare = (a, b) => (Number.parseFloat(a) || 0) - (Number.parseFloat(b) || 0)
  else if (flags.includes('V')) compare = (a, b) => compareVersions(a, b)
  else if (/[fdi]/.test(flags)) return (a, b) => plain(clean(a), clean(b))
  return compare
}

function plain(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export const sort: Tool = (args, context) => {
  const o = parseOptions(args, {
    letters: `${FLAGS}cCk:mo:st:uzT:S:`,
    long: {
      'ignore-leading-blanks': 'b',
      'dictionary-order': 'd',
      'ignore-case': 'f',
      'general-numeric-sort': 'g',
      'human-numeric-sort': 'h',
      'ignore-nonprinting': 'i',
      'numeric-sort': 'n',
      reverse: 'r',
      'version-sort': 'V',
      check: 'c',
      key: 'k',
      merge: 'm',
      output: 'o',
      stable: 's',
      'field-separator': 't',
      unique: 'u',
      'zero-terminated': 'z',
      'temporary-directory': 'T',
      'buffer-size': 'S',
    },
    status: 2,
  })
  if (o.has('M') || o.has('R')) throw new ToolError(`option -${o.has('M') ? 'M' : 'R'} is not supported here`, 2)
  const separator = o.value('t')
  if (separator !== undefined && separator.length !== 1) throw new ToolError(`multi-character tab '${separator}'`, 2)
  const global = o.given
    .map((g) => g.letter)
    .filter((l) => FLAGS.includes(l))
    .join('')
  const keys = o.given.filter((g) => g.letter === 'k').map((g) => parseKey(g.value))
  const compare = comparison(keys, global, separator)
  const delimiter = o.has('z') ? '\0' : '\n'
  const all: string[] = []
  const status = eachInput(
    context,
    o.operands,
    (fd) => {
      const reader = new LineReader(fd)
      for (let line = reader.line(delimiter.charCodeAt(0)); line; line = reader.line(delimiter.charCodeAt(0))) {
        const text = textOf(line)
        all.push(text.endsWith(delimiter) ? text.slice(0, -1) : text)
      }
    },
    2,
  )
  if (status !== 0) return status
  const last = (a: string, b: string) => (global.includes('r') ? plain(b, a) : plain(a, b))
  const whole: Compare = (a, b) => compare(a, b) || (o.has('s') || o.has('u') ? 0 : last(a, b))
  if (o.has('c') || o.has('C')) {
    const at = all.findIndex(
      (line, i) => i > 0 && (o.has('u') ? compare(all[i - 1]!, line) >= 0 : whole(all[i - 1]!, line) > 0),
    )
    if (at < 0) return 0
    if (!o.has('C')) context.warn(`${o.operands[0] ?? '-'}:${at + 1}: disorder: ${all[at]}`)
    return 1
  }
  all.sort(whole)
  const kept = o.has('u') ? all.filter((line, i) => i === 0 || compare(all[i - 1]!, line) !== 0) : all
  const text = kept.map((line) => line + delimiter).join('')
  const output = o.value('o')
  if (output === undefined) context.out.text(text)
  else context.files.write(output, bytesOf(text))
  return 0
}

function comparison(keys: readonly Key[], global: string, separator: string | undefined): Compare {
  const direction = (flags: string) => (flags.includes('r') ? -1 : 1)
  if (keys.length === 0) {
    const compare = comparer(global)
    const trim = global.includes('b') ? (t: string) => t.replace(/^[ \t]+/, '') : (t: string) => t
    return (a, b) => direction(global) * compare(trim(a), trim(b))
  }
  const parts = keys.map((key) => {
    const flags = key.flags === '' && !key.from.blanks ? global : key.flags
    return { key, compare: comparer(flags), sign: direction(flags), blanks: flags.includes('b') }
  })
  return (a, b) => {
    for (const { key, compare, sign, blanks } of parts) {
      const order = compare(extract(a, key, separator, blanks), extract(b, key, separator, blanks))
      if (order !== 0) return sign * order
    }
    return 0
  }
}
