import { textOf } from '../bytes.js'
import { type Tool, type ToolContext, ToolError } from '../command.js'
import { readAll } from '../files.js'
import { regexSource } from '../regex.js'
import { parseOptions, requireOperands } from './options.js'

const env: Tool = (args, context) => {
  const o = parseOptions(args, {
    letters: 'i0u:C:S:',
    long: { 'ignore-environment': 'i', null: '0', unset: 'u', chdir: 'C', 'split-string': 'S' },
    stopsAtOperand: true,
    status: 125,
  })
  const own = new Map(o.has('i') ? [] : context.env)
  for (const { letter, value } of o.given) if (letter === 'u') own.delete(value)
  const words = [
    ...(o
      .value('S')
      ?.split(/[ \t]+/)
      .filter(Boolean) ?? []),
    ...o.operands,
  ]
  if (words[0] === '-') {
    own.clear()
    words.shift()
  }
  while (words[0]?.includes('=')) {
    const [name, value] = words.shift()!.split(/=(.*)/s) as [string, string]
    own.set(name, value)
  }
  if (words.length > 0) return context.run(words, { env: own, cwd: o.value('C') })
  for (const [name, value] of own) context.out.text(`${name}=${value}${o.has('0') ? '\0' : '\n'}`)
  return 0
}

const printenv: Tool = (args, { env: own, out }) => {
  if (args.length === 0) for (const [name, value] of own) out.text(`${name}=${value}\n`)
  let status = 0
  for (const name of args) {
    const value = own.get(name)
    if (value === undefined) status = 1
    else out.text(`${value}\n`)
  }
  return status
}

const xargs: Tool = (args, context) => {
  const o = parseOptions(args, {
    letters: '0n:I:rd:P:tL:a:E:x',
    long: {
      null: '0',
      'max-args': 'n',
      'no-run-if-empty': 'r',
      delimiter: 'd',
      'max-procs': 'P',
      verbose: 't',
      replace: 'I',
    },
    stopsAtOperand: true,
  })
  for (const letter of 'LaE') if (o.has(letter)) throw new ToolError(`option -${letter} is not supported here`)
  const text = textOf(readAll(context.stdin))
  const replace = o.value('I')
  const delimiter = o.has('0') ? '\0' : o.value('d') === undefined ? undefined : escaped(o.value('d')!)
  const words =
    delimiter !== undefined
      ? split(text, delimiter)
      : replace === undefined
        ? quotedWords(text)
        : text
            .split('\n')
            .map((l) => l.replace(/^[ \t]+/, ''))
            .filter(Boolean)
  const command = o.operands.length > 0 ? o.operands : ['echo']
  let status = 0
  const run = (line: readonly string[]): boolean => {
    if (o.has('t')) context.warn(line.join(' '))
    const ended = context.run(line, { stdin: new Uint8Array(0) })
    if (ended === 126 || ended === 127) {
      status = ended
      return false
    }
    if (ended === 255) {
      context.warn(`${command[0]}: exited with status 255; aborting`)
      status = 124
      return false
    }
    if (ended !== 0) status = 123
    return true
  }
  if (replace !== undefined) {
    for (const word of words) if (!run(command.map((c) => c.replaceAll(replace, word)))) break
    return status
  }
  if (words.length === 0) {
    if (!o.has('r')) run(command)
    return status
  }
  const most = Number(o.value('n') ?? Number.POSITIVE_INFINITY)
  for (let at = 0; at < words.length; ) {
    let size = 0
    let end = at
    // As much as one command line of a kernel takes.
    while (end < words.length && end - at < most && (end === at || size + words[end]!.length < 100_000))
      size += words[end++]!.length + 1
    if (!run([...command, ...words.slice(at, end)])) break
    at = end
  }
  return status
}

function escaped(text: string): string {
  return { '\\n': '\n', '\\t': '\t', '\\0': '\0' }[text] ?? text
}

function split(text: string, delimiter: string): string[] {
  const parts = text.split(delimiter)
  if (parts.at(-1) === '') parts.pop()
  return parts
}

/** Words as xargs has them: blanks part them, quotes and backslashes keep together. */
function quotedWords(text: string): string[] {
  const out: string[] = []
  let word: string | undefined
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (/[ \t\n]/.test(c)) {
      if (word !== undefined) out.push(word)
      word = undefined
    } else if (c === '\\') word = (word ?? '') + (text[++i] ?? '')
    else if (c === "'" || c === '"') {
      const end = text.indexOf(c, i + 1)
      if (end < 0 || text.slice(i + 1, end).includes('\n'))
        throw new ToolError(`unmatched ${c === '"' ? 'double' : 'single'} quote`)
      word = (word ?? '') + text.slice(i + 1, end)
      i = end
    } else word = (word ?? '') + c
  }
  if (word !== undefined) out.push(word)
  return out
}

const UNAME: Readonly<Record<string, string>> = {
  s: 'Linux',
  n: 'localhost',
  r: '0.0.0',
  v: '#1',
  m: 'wasm32',
  p: 'unknown',
  i: 'unknown',
  o: 'WASI',
}

const uname: Tool = (args, { out }) => {
  const o = parseOptions(args, {
    letters: 'asnrvmpio',
    long: { all: 'a', 'kernel-name': 's', nodename: 'n', 'kernel-release': 'r', machine: 'm', 'operating-system': 'o' },
  })
  const wanted = o.has('a') ? 'snrvmo' : [...'snrvmpio'].filter((l) => o.has(l)).join('') || 's'
  out.text(`${[...wanted].map((l) => UNAME[l]).join(' ')}\n`)
  return 0
}

const sleep: Tool = (args, { world }) => {
  requireOperands(args)
  const units: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }
  for (const text of args) {
    const m = /^(\d+(?:\.\d*)?|\.\d+)([smhd]?)$/.exec(text)
    if (!m) throw new ToolError(`invalid time interval '${text}'`)
    world.clock.sleep(BigInt(Math.round(Number(m[1]) * units[m[2]!]! * 1e9)))
  }
  return 0
}

/** `which` finds programs, not builtins; ours count as those of /usr/bin. */
const which: Tool = (args, context) => {
  const o = parseOptions(args, { letters: 'as' })
  let status = 0
  for (const name of o.operands) {
    const found = lookup(context, name)
    if (found === undefined) status = 1
    else if (!o.has('s')) context.out.text(`${found}\n`)
  }
  return status
}

function lookup({ files, env: own, knows }: ToolContext, name: string): string | undefined {
  const runs = (path: string) => {
    const node = files.find(path)
    return node?.kind === 'file' && (node.mode & 0o111) !== 0
  }
  if (name.includes('/')) return runs(name) ? name : undefined
  const paths = (own.get('PATH') ?? '').split(':').map((dir) => `${dir || '.'}/${name}`)
  return paths.find(runs) ?? (knows(name) ? `/usr/bin/${name}` : undefined)
}

/** @see POSIX.1-2017, XCU expr */
const expr: Tool = (args, { out }) => {
  const words = args[0] === '--' ? args.slice(1) : args
  if (words.length === 0) throw new ToolError('missing operand', 2)
  const parser = new Expr(words)
  const value = parser.run()
  out.text(`${value}\n`)
  return value === '' || value === '0' ? 1 : 0
}

class Expr {
  readonly #words: readonly string[]
  #at = 0

  constructor(words: readonly string[]) {
    this.#words = words
  }

  run(): string {
    const value = this.#or()
    if (this.#at < this.#words.length)
      throw new ToolError(`syntax error: unexpected argument '${this.#words[this.#at]}'`, 2)
    return value
  }

  #take(...operators: string[]): string | undefined {
    const word = this.#words[this.#at]
    if (word === undefined || !operators.includes(word)) return undefined
    this.#at++
    return word
  }

  #or(): string {
    let left = this.#and()
    while (this.#take('|')) {
      const right = this.#and()
      left = truthy(left) ? left : truthy(right) ? right : '0'
    }
    return left
  }

  #and(): string {
    let left = this.#compare()
    while (this.#take('&')) {
      const right = this.#compare()
      left = truthy(left) && truthy(right) ? left : '0'
    }
    return left
  }

  #compare(): string {
    let left = this.#sum()
    for (;;) {
      const operator = this.#take('=', '==', '!=', '<', '<=', '>', '>=')
      if (!operator) return left
      const right = this.#sum()
      const [a, b] = isInteger(left) && isInteger(right) ? [BigInt(left), BigInt(right)] : [left, right]
      const results: Readonly<Record<string, boolean>> = {
        '=': a === b,
        '==': a === b,
        '!=': a !== b,
        '<': a < b,
        '<=': a <= b,
        '>': a > b,
        '>=': a >= b,
      }
      left = results[operator] ? '1' : '0'
    }
  }

  #sum(): string {
    let left = this.#product()
    for (;;) {
      const operator = this.#take('+', '-')
      if (!operator) return left
      const right = integer(this.#product())
      left = String(operator === '+' ? integer(left) + right : integer(left) - right)
    }
  }

  #product(): string {
    let left = this.#match()
    for (;;) {
      const operator = this.#take('*', '/', '%')
      if (!operator) return left
      const [a, b] = [integer(left), integer(this.#match())]
      if (operator !== '*' && b === 0n) throw new ToolError('division by zero', 2)
      left = String(operator === '*' ? a * b : operator === '/' ? a / b : a % b)
    }
  }

  #match(): string {
    let left = this.#primary()
    while (this.#take(':')) left = matched(left, this.#primary())
    return left
  }

  #primary(): string {
    const word = this.#words[this.#at++]
    if (word === undefined) throw new ToolError('syntax error: missing argument', 2)
    if (word === '(') {
      const value = this.#or()
      if (!this.#take(')')) throw new ToolError("syntax error: expecting ')'", 2)
      return value
    }
    const more = this.#words.length > this.#at
    if (word === 'length' && more) return String(this.#primary().length)
    if (word === 'match' && more) return matched(this.#primary(), this.#primary())
    if (word === 'index' && more) {
      const [text, set] = [this.#primary(), this.#primary()]
      return String([...text].findIndex((c) => set.includes(c)) + 1)
    }
    if (word === 'substr' && more) {
      const [text, from, length] = [this.#primary(), Number(this.#primary()), Number(this.#primary())]
      return from >= 1 && length > 0 ? text.slice(from - 1, from - 1 + length) : ''
    }
    return word
  }
}

function matched(text: string, pattern: string): string {
  const m = new RegExp(`^(?:${regexSource(pattern, false)})`).exec(text)
  if (/\\\(/.test(pattern)) return m?.[1] ?? ''
  return String(m?.[0].length ?? 0)
}

function truthy(text: string): boolean {
  return text !== '' && !/^-?0+$/.test(text)
}

function isInteger(text: string): boolean {
  return /^-?\d+$/.test(text)
}

function integer(text: string): bigint {
  if (!isInteger(text)) throw new ToolError('non-integer argument', 2)
  return BigInt(text)
}

/** Tools about commands, the machine and numbers. */
export const miscTools: Readonly<Record<string, Tool>> = { env, expr, printenv, sleep, uname, which, xargs }
