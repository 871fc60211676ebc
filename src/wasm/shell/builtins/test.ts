import type { Builtin, BuiltinContext } from '../command.js'
import { ShellError } from '../error.js'

const UNARY = /^-[bcdefghknprstuwxzLOGS]$/
const BINARY = new Set(['=', '==', '!=', '<', '>', '-eq', '-ne', '-gt', '-ge', '-lt', '-le', '-nt', '-ot', '-ef'])

/** `test` and `[`. @see POSIX.1-2017, XCU test */
export const test: Builtin = (given, context) => {
  let args = given
  if (context.name === '[') {
    if (args.at(-1) !== ']') throw new ShellError('[: missing ]', 2)
    args = args.slice(0, -1)
  }
  return new Condition(args, context).holds() ? 0 : 1
}

class Condition {
  readonly #args: readonly string[]
  readonly #context: BuiltinContext
  #at = 0

  constructor(args: readonly string[], context: BuiltinContext) {
    this.#args = args
    this.#context = context
  }

  holds(): boolean {
    const args = this.#args
    if (args.length === 0) return false
    if (args.length === 1) return args[0] !== ''
    // With few arguments their number decides what is an operator.
    if (args.length === 3 && BINARY.has(args[1]!)) return this.#binary(args[0]!, args[1]!, args[2]!)
    if (args.length === 4 && args[0] === '!' && BINARY.has(args[2]!)) return !this.#binary(args[1]!, args[2]!, args[3]!)
    if (args.length === 2 && args[0] === '!') return args[1] === ''
    const value = this.#or()
    if (this.#at < args.length) this.#fail(`${args[this.#at]}: unexpected operator`)
    return value
  }

  #fail(message: string): never {
    throw new ShellError(`${this.#context.name}: ${message}`, 2)
  }

  #or(): boolean {
    let value = this.#and()
    while (this.#args[this.#at] === '-o') {
      this.#at++
      const right = this.#and()
      value = value || right
    }
    return value
  }

  #and(): boolean {
    let value = this.#not()
    while (this.#args[this.#at] === '-a') {
      this.#at++
      const right = this.#not()
      value = value && right
    }
    return value
  }

  #not(): boolean {
    if (this.#args[this.#at] === '!' && this.#at + 1 < this.#args.length) {
      this.#at++
      return !this.#not()
    }
    return this.#primary()
  }

  #primary(): boolean {
    const args = this.#args
    const word = args[this.#at]
    if (word === undefined) return this.#fail('argument expected')
    const operator = args[this.#at + 1]
    if (operator !== undefined && BINARY.has(operator) && this.#at + 2 < args.length) {
      this.#at += 3
      return this.#binary(word, operator, args[this.#at - 1]!)
    }
    if (word === '(') {
      this.#at++
      const value = this.#or()
      if (args[this.#at++] !== ')') this.#fail('closing paren expected')
      return value
    }
    if (UNARY.test(word) && operator !== undefined) {
      this.#at += 2
      return this.#unary(word, operator)
    }
    this.#at++
    return word !== ''
  }

  #unary(operator: string, word: string): boolean {
    const { files, world, descriptors } = this.#context.state
    if (operator === '-z') return word === ''
    if (operator === '-n') return word !== ''
    // Nothing is a terminal here.
    if (operator === '-t') return descriptors.get(this.#number(word)) === undefined && false
    const follow = operator !== '-h' && operator !== '-L'
    const node = files.find(word, follow)
    if (!node) return false
    const may = (bit: number) => {
      if (world.uid === 0) return bit !== 1 || node.kind === 'dir' || (node.mode & 0o111) !== 0
      const shift = node.uid === world.uid ? 6 : node.gid === world.gid ? 3 : 0
      return ((node.mode >> shift) & bit) !== 0
    }
    switch (operator) {
      case '-b':
        return node.kind === 'block'
      case '-c':
        return node.kind === 'char'
      case '-d':
        return node.kind === 'dir'
      case '-e':
        return true
      case '-f':
        return node.kind === 'file'
      case '-g':
        return (node.mode & 0o2000) !== 0
      case '-k':
        return (node.mode & 0o1000) !== 0
      case '-u':
        return (node.mode & 0o4000) !== 0
      case '-h':
      case '-L':
        return node.kind === 'symlink'
      case '-p':
        return node.kind === 'fifo'
      case '-r':
        return may(4)
      case '-w':
        return may(2)
      case '-x':
        return may(1)
      case '-s':
        return node.kind === 'file' ? node.content.sizeBytes > 0 : node.kind === 'dir'
      case '-O':
        return node.uid === world.uid
      case '-G':
        return node.gid === world.gid
      default:
        return false
    }
  }

  #number(text: string): number {
    if (!/^\s*[-+]?\d+\s*$/.test(text)) this.#fail(`Illegal number: ${text}`)
    return Number(text)
  }

  #binary(a: string, operator: string, b: string): boolean {
    const { files } = this.#context.state
    switch (operator) {
      case '=':
      case '==':
        return a === b
      case '!=':
        return a !== b
      case '<':
        return a < b
      case '>':
        return a > b
      case '-eq':
        return this.#number(a) === this.#number(b)
      case '-ne':
        return this.#number(a) !== this.#number(b)
      case '-gt':
        return this.#number(a) > this.#number(b)
      case '-ge':
        return this.#number(a) >= this.#number(b)
      case '-lt':
        return this.#number(a) < this.#number(b)
      case '-le':
        return this.#number(a) <= this.#number(b)
      default: {
        const [x, y] = [files.find(a), files.find(b)]
        if (operator === '-ef') return x !== undefined && x === y
        if (operator === '-nt') return x !== undefined && y !== undefined && x.mtime > y.mtime
        return x !== undefined && y !== undefined && x.mtime < y.mtime
      }
    }
  }
}
