import { bytesOf, textOf } from '../bytes.js'
import { type Tool, ToolError } from '../command.js'
import { readAll } from '../files.js'
import { LineReader } from '../streams.js'
import { eachInput, pump } from './each.js'
import { parseOptions } from './options.js'

/** All text of the inputs, one behind the other. */
function* lines(
  context: Parameters<Tool>[1],
  names: readonly string[],
  fail: () => void,
  delimiter = 10,
): Generator<string> {
  for (const name of names.length > 0 ? names : ['-']) {
    const pending: string[] = []
    // One input at a time is open, as its lines are asked for.
    const status = eachInput(context, [name], (fd) => {
      const reader = new LineReader(fd)
      for (let line = reader.line(delimiter); line; line = reader.line(delimiter)) pending.push(textOf(line))
    })
    if (status !== 0) fail()
    yield* pending
  }
}

/** A line without its end. */
function chomp(line: string): string {
  return line.endsWith('\n') ? line.slice(0, -1) : line
}

const cat: Tool = (args, context) => {
  const { out } = context
  const o = parseOptions(args, {
    letters: 'nbsAEeTtuv',
    long: {
      number: 'n',
      'number-nonblank': 'b',
      'squeeze-blank': 's',
      'show-ends': 'E',
      'show-tabs': 'T',
      'show-all': 'A',
      'show-nonprinting': 'v',
    },
  })
  if (o.given.every((g) => g.letter === 'u'))
    return eachInput(context, o.operands, (fd) => pump(fd, (data) => out.bytes(data)))
  let status = 0
  let number = 0
  let blank = false
  const has = (letters: string) => [...letters].some((l) => o.has(l))
  for (const line of lines(context, o.operands, () => {
    status = 1
  })) {
    const text = chomp(line)
    const wasBlank = blank
    blank = text === ''
    if (o.has('s') && blank && wasBlank) continue
    const counted = o.has('b') ? !blank : o.has('n')
    const shown = show(text, has('AeTtv') && has('Aetv'), has('AtT'))
    out.text(
      `${counted ? `${String(++number).padStart(6)}\t` : ''}${shown}${has('AEe') ? '$' : ''}${line.endsWith('\n') ? '\n' : ''}`,
    )
  }
  return status
}

function show(text: string, control: boolean, tabs: boolean): string {
  return text.replace(/[\x00-\x1f\x7f-\xff]/g, (c) => {
    const code = c.charCodeAt(0)
    if (c === '\t') return tabs ? '^I' : c
    if (!control) return c
    const low = code & 127
    const shown = low < 32 ? `^${String.fromCharCode(low + 64)}` : low === 127 ? '^?' : String.fromCharCode(low)
    return code > 127 ? `M-${shown}` : shown
  })
}

/** `-n 5`, `-5`, `+5`, `2k`. */
function amount(text: string): { sign: string; count: number } {
  const m = /^([-+]?)(\d+)([bkKmMG]?B?)$/.exec(text)
  if (!m) throw new ToolError(`invalid number: '${text}'`)
  const unit: Readonly<Record<string, number>> = { b: 512, k: 1024, K: 1024, m: 1 << 20, M: 1 << 20, G: 1 << 30 }
  return { sign: m[1]!, count: Number(m[2]) * (unit[m[3]![0] ?? ''] ?? 1) }
}

const ENDS = {
  letters: 'n:c:qvz',
  long: { lines: 'n', bytes: 'c', quiet: 'q', silent: 'q', verbose: 'v', 'zero-terminated': 'z' },
}

/** `-5` and `+5` of old are `-n 5` and `-n +5`. */
function modern(args: readonly string[]): string[] {
  return args.flatMap((a, i) => (i === 0 && /^[-+]\d+$/.test(a) ? ['-n', a.replace(/^-/, '')] : [a]))
}

function headers(context: Parameters<Tool>[1], o: ReturnType<typeof parseOptions>): (name: string) => void {
  let first = true
  return (name) => {
    if (o.has('v') || (o.operands.length > 1 && !o.has('q')))
      context.out.text(`${first ? '' : '\n'}==> ${name === '-' ? 'standard input' : name} <==\n`)
    first = false
  }
}

const head: Tool = (args, context) => {
  const { out } = context
  const o = parseOptions(modern(args), ENDS)
  const byBytes = o.value('c')
  const { sign, count } = amount(byBytes ?? o.value('n') ?? '10')
  const heading = headers(context, o)
  return eachInput(context, o.operands, (fd, name) => {
    heading(name)
    if (byBytes !== undefined) {
      if (sign === '-') {
        const data = readAll(fd)
        out.bytes(data.subarray(0, Math.max(0, data.length - count)))
        return
      }
      for (let left = count; left > 0; ) {
        const chunk = new Uint8Array(Math.min(left, 1 << 16))
        const got = fd.read(chunk)
        if (got === 0) break
        out.bytes(chunk.subarray(0, got))
        left -= got
      }
      return
    }
    const reader = new LineReader(fd)
    const end = o.has('z') ? 0 : 10
    const held: Uint8Array[] = []
    for (let n = 0; sign === '-' || n < count; n++) {
      const line = reader.line(end)
      if (!line) break
      if (sign !== '-') out.text(textOf(line))
      else {
        held.push(line)
        if (held.length > count) out.text(textOf(held.shift()!))
      }
    }
    // What was not needed is there for the next reader, as far as the file can be wound back.
    if (reader.unread > 0 && fd.inode?.kind === 'file') fd.seek(BigInt(-reader.unread), 1)
  })
}

const tail: Tool = (args, context) => {
  const { out } = context
  const o = parseOptions(modern(args), ENDS)
  const byBytes = o.value('c')
  const { sign, count } = amount(byBytes ?? o.value('n') ?? '10')
  const heading = headers(context, o)
  return eachInput(context, o.operands, (fd, name) => {
    heading(name)
    const data = readAll(fd)
    if (byBytes !== undefined) {
      out.bytes(sign === '+' ? data.subarray(Math.max(0, count - 1)) : data.subarray(Math.max(0, data.length - count)))
      return
    }
    const end = o.has('z') ? 0 : 10
    let at = sign === '+' ? 0 : data.length
    if (sign === '+') for (let n = 1; n < count && at < data.length; n++) at = after(data, end, at)
    else {
      // The end of the last line does not begin another.
      let found = data.at(-1) === end ? -1 : 0
      while (at > 0 && count > 0) {
        if (data[at - 1] === end && ++found >= count) break
        at--
      }
    }
    out.bytes(data.subarray(at))
  })
}

function after(data: Uint8Array, delimiter: number, from: number): number {
  const at = data.indexOf(delimiter, from)
  return at < 0 ? data.length : at + 1
}

/** `1,3-5,7-` → whether a number, counted from 1, is in it. */
function ranges(text: string): (n: number) => boolean {
  const list = text.split(',').map((part) => {
    const m = /^(\d*)(-?)(\d*)$/.exec(part)
    if (!m || part === '' || part === '-') throw new ToolError(`invalid range '${part}'`)
    const from = Number(m[1] || 1)
    return [from, m[2] === '' ? from : m[3] === '' ? Number.POSITIVE_INFINITY : Number(m[3])] as const
  })
  return (n) => list.some(([from, to]) => n >= from && n <= to)
}

const cut: Tool = (args, context) => {
  const { out } = context
  const o = parseOptions(args, {
    letters: 'b:c:d:f:sno:C',
    long: {
      bytes: 'b',
      characters: 'c',
      delimiter: 'd',
      fields: 'f',
      'only-delimited': 's',
      'output-delimiter': 'o',
      complement: 'C',
    },
  })
  const text = o.value('f') ?? o.value('c') ?? o.value('b')
  if (text === undefined) throw new ToolError('you must specify a list of bytes, characters, or fields')
  const inside = ranges(text)
  const wanted = o.has('C') ? (n: number) => !inside(n) : inside
  const delimiter = o.value('d') ?? '\t'
  if (delimiter.length !== 1) throw new ToolError('the delimiter must be a single character')
  const joiner = o.value('o')
  let status = 0
  for (const line of lines(context, o.operands, () => {
    status = 1
  })) {
    const body = chomp(line)
    if (o.value('f') === undefined) {
      const chars = [...body]
      if (joiner === undefined) out.text(`${chars.filter((_, i) => wanted(i + 1)).join('')}\n`)
      else out.text(`${runs(chars, wanted).join(joiner)}\n`)
    } else if (!body.includes(delimiter)) {
      if (!o.has('s')) out.text(`${body}\n`)
    } else
      out.text(
        `${body
          .split(delimiter)
          .filter((_, i) => wanted(i + 1))
          .join(joiner ?? delimiter)}\n`,
      )
  }
  return status
}

function runs(chars: readonly string[], wanted: (n: number) => boolean): string[] {
  const out: string[] = []
  chars.forEach((c, i) => {
    if (!wanted(i + 1)) return
    if (i > 0 && wanted(i) && out.length > 0) out[out.length - 1] += c
    else out.push(c)
  })
  return out
}

const wc: Tool = (args, context) => {
  const o = parseOptions(args, {
    letters: 'clmwL',
    long: { bytes: 'c', lines: 'l', chars: 'm', words: 'w', 'max-line-length': 'L' },
  })
  const letters = o.given.length > 0 ? [...'lwmcL'].filter((l) => o.has(l)) : [...'lwc']
  const rows: { counts: number[]; name: string }[] = []
  const status = eachInput(context, o.operands, (fd, name) => {
    const counts: Record<string, number> = { l: 0, w: 0, c: 0, m: 0, L: 0 }
    let inWord = false
    let width = 0
    pump(fd, (data) => {
      counts.c! += data.length
      counts.m! += data.length
      for (const b of data) {
        if (b === 10) {
          counts.l!++
          counts.L = Math.max(counts.L!, width)
          width = 0
        } else width++
        const space = b === 32 || (b >= 9 && b <= 13)
        if (!space && !inWord) counts.w!++
        inWord = !space
      }
    })
    counts.L = Math.max(counts.L!, width)
    rows.push({ counts: letters.map((l) => counts[l]!), name: name === '-' && o.operands.length === 0 ? '' : name })
  })
  if (o.operands.length > 1) {
    const total = letters.map((l, i) =>
      rows.reduce((n, r) => (l === 'L' ? Math.max(n, r.counts[i]!) : n + r.counts[i]!), 0),
    )
    rows.push({ counts: total, name: 'total' })
  }
  // As GNU's: one column as wide as it is, several as wide as the sizes of regular files need, at least 7 for pipes.
  const sizes = o.operands.map((name) => {
    const node = name === '-' ? undefined : context.files.find(name)
    return node?.kind === 'file' ? node.content.sizeBytes : undefined
  })
  const piped = o.operands.length === 0 || sizes.includes(undefined)
  const digits = String(sizes.reduce<number>((n, s) => n + (s ?? 0), 0)).length
  const width = letters.length === 1 && rows.length === 1 ? 1 : Math.max(piped ? 7 : 1, digits)
  for (const { counts, name } of rows)
    context.out.text(`${counts.map((n) => String(n).padStart(width)).join(' ')}${name === '' ? '' : ` ${name}`}\n`)
  return status
}

const tee: Tool = (args, context) => {
  const o = parseOptions(args, { letters: 'ai', long: { append: 'a', 'ignore-interrupts': 'i' } })
  const files = o.operands.map((path) =>
    context.files.open(path, { create: true, truncate: !o.has('a'), append: o.has('a') }),
  )
  pump(context.stdin, (data) => {
    context.out.bytes(data)
    for (const file of files) file.write(data)
  })
  for (const file of files) file.fd_close()
  return 0
}

const uniq: Tool = (args, context) => {
  const o = parseOptions(args, {
    letters: 'cdif:s:uw:',
    long: {
      count: 'c',
      repeated: 'd',
      'ignore-case': 'i',
      'skip-fields': 'f',
      'skip-chars': 's',
      unique: 'u',
      'check-chars': 'w',
    },
  })
  const [input = '-', output] = o.operands
  const key = (line: string) => {
    let text = line
    for (let n = Number(o.value('f') ?? 0); n > 0; n--) text = text.replace(/^[ \t]*[^ \t]*/, '')
    text = text.slice(
      Number(o.value('s') ?? 0),
      o.value('w') === undefined ? undefined : Number(o.value('s') ?? 0) + Number(o.value('w')),
    )
    return o.has('i') ? text.toLowerCase() : text
  }
  let result = ''
  let last: { line: string; key: string; count: number } | undefined
  const flush = () => {
    if (!last || (o.has('d') && last.count === 1) || (o.has('u') && last.count > 1)) return
    result += `${o.has('c') ? `${String(last.count).padStart(7)} ` : ''}${last.line}\n`
  }
  let status = 0
  for (const full of lines(context, [input], () => {
    status = 1
  })) {
    const line = chomp(full)
    if (last && key(line) === last.key) last.count++
    else {
      flush()
      last = { line, key: key(line), count: 1 }
    }
  }
  flush()
  if (output !== undefined && output !== '-') context.files.write(output, bytesOf(result))
  else context.out.text(result)
  return status
}

const tac: Tool = (args, context) => {
  const o = parseOptions(args, { letters: '' })
  let status = 0
  const all = [
    ...lines(context, o.operands, () => {
      status = 1
    }),
  ]
  context.out.text(all.reverse().join(''))
  return status
}

const paste: Tool = (args, context) => {
  const o = parseOptions(args, { letters: 'd:s', long: { delimiters: 'd', serial: 's' } })
  const marks = [
    ...(o.value('d') ?? '\t').replace(
      /\\([nt0\\])/g,
      (_, c: string) => ({ n: '\n', t: '\t', '0': '', '\\': '\\' })[c]!,
    ),
  ]
  const names = o.operands.length > 0 ? o.operands : ['-']
  let status = 0
  const columns = names.map((name) =>
    [
      ...lines(context, [name], () => {
        status = 1
      }),
    ].map(chomp),
  )
  const joined = (cells: readonly string[]) =>
    cells.reduce((row, cell, i) => (i === 0 ? cell : row + (marks[(i - 1) % marks.length] ?? '') + cell), '')
  if (o.has('s')) for (const column of columns) context.out.text(`${joined(column)}\n`)
  else
    for (let i = 0; i < Math.max(...columns.map((c) => c.length)); i++)
      context.out.text(`${joined(columns.map((c) => c[i] ?? ''))}\n`)
  return status
}

const comm: Tool = (args, context) => {
  const o = parseOptions(args, { letters: '123' })
  if (o.operands.length !== 2) throw new ToolError('two files are compared')
  let status = 0
  const [a, b] = o.operands.map((name) =>
    [
      ...lines(context, [name], () => {
        status = 1
      }),
    ].map(chomp),
  ) as [string[], string[]]
  const tabs = (column: number) => '\t'.repeat([1, 2].filter((c) => c < column && !o.has(String(c))).length)
  const put = (column: 1 | 2 | 3, line: string) => {
    if (!o.has(String(column))) context.out.text(`${tabs(column)}${line}\n`)
  }
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const [x, y] = [a[i], b[j]]
    if (y === undefined || (x !== undefined && x < y)) {
      put(1, x!)
      i++
    } else if (x === undefined || y < x) {
      put(2, y)
      j++
    } else {
      put(3, x)
      i++
      j++
    }
  }
  return status
}

const seq: Tool = (args, { out }) => {
  const at = args.findIndex((a) => !/^-[^\d.]/.test(a))
  const o = parseOptions(at < 0 ? args : [...options(args), '--', ...args.slice(options(args).length)], {
    letters: 's:wf:',
    long: { separator: 's', 'equal-width': 'w', format: 'f' },
  })
  const numbers = o.operands
  if (numbers.length < 1 || numbers.length > 3)
    throw new ToolError(numbers.length === 0 ? 'missing operand' : `extra operand '${numbers[3]}'`)
  for (const n of numbers)
    if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(n)) throw new ToolError(`invalid floating point argument: '${n}'`)
  const [first, step, last] =
    numbers.length === 1
      ? ['1', '1', numbers[0]!]
      : numbers.length === 2
        ? [numbers[0]!, '1', numbers[1]!]
        : (numbers as [string, string, string])
  if (Number(step) === 0) throw new ToolError("invalid Zero increment value: '0'")
  const digits = Math.max(...[first, step].map((n) => (n.split('.')[1] ?? '').length))
  const count = Math.floor((Number(last) - Number(first)) / Number(step) + 1e-10)
  const values = Array.from({ length: Math.max(0, count + 1) }, (_, i) =>
    (Number(first) + i * Number(step)).toFixed(digits),
  )
  const width = o.has('w') ? Math.max(...values.map((v) => v.length)) : 0
  const shown = values.map((v) =>
    v.startsWith('-') ? `-${v.slice(1).padStart(width - 1, '0')}` : v.padStart(width, '0'),
  )
  if (o.value('f') !== undefined) throw new ToolError('option -f is not supported here: use printf')
  if (shown.length > 0) out.text(`${shown.join(o.value('s') ?? '\n')}\n`)
  return 0
}

/** Options before the numbers, which may be negative. */
function options(args: readonly string[]): string[] {
  const out: string[] = []
  for (let i = 0; i < args.length && /^-[^\d.]/.test(args[i]!); i++) {
    out.push(args[i]!)
    if (/^-[sf]$/.test(args[i]!)) out.push(args[++i] ?? '')
  }
  return out
}

/** Tools that pass text on. */
export const textTools: Readonly<Record<string, Tool>> = { cat, comm, cut, head, paste, seq, tac, tail, tee, uniq, wc }
