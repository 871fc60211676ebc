import { textOf } from '../bytes.js'
import { type Tool, ToolError } from '../command.js'
import { pump } from './each.js'
import { parseOptions } from './options.js'

const CLASSES: Readonly<Record<string, (c: number) => boolean>> = {
  alnum: (c) => /[0-9A-Za-z]/.test(String.fromCharCode(c)),
  alpha: (c) => /[A-Za-z]/.test(String.fromCharCode(c)),
  blank: (c) => c === 32 || c === 9,
  cntrl: (c) => c < 32 || c === 127,
  digit: (c) => c >= 48 && c <= 57,
  graph: (c) => c > 32 && c < 127,
  lower: (c) => c >= 97 && c <= 122,
  print: (c) => c >= 32 && c < 127,
  punct: (c) => c > 32 && c < 127 && !/[0-9A-Za-z]/.test(String.fromCharCode(c)),
  space: (c) => c === 32 || (c >= 9 && c <= 13),
  upper: (c) => c >= 65 && c <= 90,
  xdigit: (c) => /[0-9A-Fa-f]/.test(String.fromCharCode(c)),
}
const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92 }

/** A set as the bytes that it names; `fill` is set where one repeats as often as is needed. */
interface ByteSet {
  bytes: number[]
  fill?: { at: number; byte: number }
  classes: Set<string>
}

function parseSet(text: string): ByteSet {
  const set: ByteSet = { bytes: [], classes: new Set() }
  for (let i = 0; i < text.length; ) {
    const rest = text.slice(i)
    const named = /^\[:(\w+):\]/.exec(rest)
    if (named) {
      const is = CLASSES[named[1]!]
      if (!is) throw new ToolError(`invalid character class '${named[1]}'`)
      set.classes.add(named[1]!)
      for (let c = 0; c < 256; c++) if (is(c)) set.bytes.push(c)
      i += named[0].length
      continue
    }
    const repeated = /^\[(\\?.)\*(\d*)\]/s.exec(rest)
    if (repeated) {
      const byte = one(repeated[1]!, 0).byte
      const count = repeated[2] === '' ? 0 : Number.parseInt(repeated[2]!, repeated[2]!.startsWith('0') ? 8 : 10)
      if (count === 0) set.fill = { at: set.bytes.length, byte }
      else for (let n = 0; n < count; n++) set.bytes.push(byte)
      i += repeated[0].length
      continue
    }
    const equal = /^\[=(.)=\]/s.exec(rest)
    if (equal) {
      set.bytes.push(equal[1]!.charCodeAt(0))
      i += equal[0].length
      continue
    }
    const from = one(text, i)
    i = from.end
    if (text[i] !== '-' || i + 1 >= text.length) {
      set.bytes.push(from.byte)
      continue
    }
    const to = one(text, i + 1)
    i = to.end
    if (to.byte < from.byte)
      throw new ToolError(`range-endpoints of '${text.slice(i - 3, i)}' are in reverse collating sequence order`)
    for (let c = from.byte; c <= to.byte; c++) set.bytes.push(c)
  }
  return set
}

function one(text: string, at: number): { byte: number; end: number } {
  if (text[at] !== '\\' || at + 1 >= text.length) return { byte: text.charCodeAt(at), end: at + 1 }
  const octal = /^[0-7]{1,3}/.exec(text.slice(at + 1))
  if (octal) return { byte: Number.parseInt(octal[0], 8) & 255, end: at + 1 + octal[0].length }
  return { byte: ESCAPES[text[at + 1]!] ?? text.charCodeAt(at + 1), end: at + 2 }
}

export const tr: Tool = (args, { stdin, out }) => {
  const o = parseOptions(args, {
    letters: 'cCdst',
    long: { complement: 'c', delete: 'd', 'squeeze-repeats': 's', 'truncate-set1': 't' },
    stopsAtOperand: true,
  })
  const [first, second, extra] = o.operands
  const deletes = o.has('d')
  const squeezes = o.has('s')
  if (first === undefined) throw new ToolError('missing operand')
  if (second === undefined && !deletes && !squeezes) throw new ToolError(`missing operand after '${first}'`)
  if (extra !== undefined || (deletes && !squeezes && second !== undefined))
    throw new ToolError(`extra operand '${extra ?? second}'`)
  const set = parseSet(first)
  const complement = o.has('c') || o.has('C')
  const source = complement ? all().filter((c) => !set.bytes.includes(c)) : set.bytes
  const map = Uint8Array.from(all())
  if (second !== undefined && !deletes) translate(map, source, set, parseSet(second), o.has('t'))
  const gone = new Uint8Array(256)
  if (deletes) for (const c of source) gone[c] = 1
  const once = new Uint8Array(256)
  if (squeezes) for (const c of second === undefined ? source : parseSet(second).bytes) once[c] = 1
  let last = -1
  pump(stdin, (data) => {
    const made = new Uint8Array(data.length)
    let size = 0
    for (const byte of data) {
      if (gone[byte]) continue
      const c = map[byte]!
      if (once[c] && c === last) continue
      made[size++] = c
      last = c
    }
    out.text(textOf(made.subarray(0, size)))
  })
  return 0
}

function all(): number[] {
  return Array.from({ length: 256 }, (_, c) => c)
}

function translate(
  map: Uint8Array,
  source: readonly number[],
  first: ByteSet,
  second: ByteSet,
  truncate: boolean,
): void {
  const target = [...second.bytes]
  if (second.fill) {
    const missing = Math.max(0, source.length - target.length)
    target.splice(second.fill.at, 0, ...new Array<number>(missing).fill(second.fill.byte))
  }
  // Letters change their case as pairs.
  const cased =
    ['lower', 'upper'].some((c) => first.classes.has(c)) && ['lower', 'upper'].some((c) => second.classes.has(c))
  if (target.length === 0 && !truncate) throw new ToolError('when not truncating set1, string2 must be non-empty')
  source.forEach((c, i) => {
    const to = target[i] ?? (truncate || cased ? undefined : target.at(-1))
    if (to !== undefined) map[c] = to
  })
}
