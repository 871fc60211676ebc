import { ShellError } from '../error.js'

/** Variables as arithmetic sees them: text. */
export interface Variables {
  get(name: string): string | undefined
  set(name: string, value: string): void
}

/** Binary operators by how tightly they bind, loosest first. */
const LEVELS: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<=', '>=', '<', '>'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
]
const TOKEN =
  /\s*(?:(0[xX][0-9a-fA-F]+|\d+)|([A-Za-z_]\w*)|(<<=|>>=|[-+*/%&^|]=|\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%&|^<>=!~?:(),]))/y

/**
 * Evaluates an expression, in 64-bit two's complement.
 *
 * @throws {ShellError}
 * @see POSIX.1-2017, XCU 2.6.4
 */
export function evaluate(text: string, variables: Variables): bigint {
  if (text.trim() === '') return 0n
  return new Evaluation(text, variables).run()
}

type Token = { type: 'number' | 'name' | 'operator'; text: string }

class Evaluation {
  readonly #text: string
  readonly #variables: Variables
  readonly #tokens: Token[]
  #at = 0
  /** Within a branch that is not taken nothing is assigned or divided. */
  #skipping = 0

  constructor(text: string, variables: Variables) {
    this.#text = text
    this.#variables = variables
    this.#tokens = this.#tokenise(text)
  }

  run(): bigint {
    const value = this.#comma()
    if (this.#at < this.#tokens.length) this.#fail('syntax error')
    return value
  }

  #tokenise(text: string): Token[] {
    const out: Token[] = []
    for (TOKEN.lastIndex = 0; text.slice(TOKEN.lastIndex).trim() !== ''; ) {
      const match = TOKEN.exec(text)
      if (!match) return this.#fail('syntax error')
      const [, number, name, operator] = match
      if (number !== undefined) out.push({ type: 'number', text: number })
      else if (name !== undefined) out.push({ type: 'name', text: name })
      else out.push({ type: 'operator', text: operator! })
    }
    return out
  }

  #fail(message: string): never {
    throw new ShellError(`arithmetic expression: ${message}: "${this.#text.trim()}"`, 2)
  }

  #is(text: string): boolean {
    const token = this.#tokens[this.#at]
    return token?.type === 'operator' && token.text === text
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false
    this.#at++
    return true
  }

  #comma(): bigint {
    let value = this.#assignment()
    while (this.#take(',')) value = this.#assignment()
    return value
  }

  #assignment(): bigint {
    const [name, operator] = [this.#tokens[this.#at], this.#tokens[this.#at + 1]]
    const assigns = operator?.type === 'operator' && /^(=|[-+*/%&^|]=|<<=|>>=)$/.test(operator.text)
    if (name?.type !== 'name' || !assigns) return this.#conditional()
    this.#at += 2
    const right = this.#assignment()
    const before = operator.text === '=' ? 0n : this.#valueOf(name.text)
    const value = operator.text === '=' ? right : this.#apply(operator.text.slice(0, -1), before, right)
    return this.#assign(name.text, value)
  }

  #assign(name: string, value: bigint): bigint {
    if (this.#skipping === 0) this.#variables.set(name, String(value))
    return value
  }

  #conditional(): bigint {
    const condition = this.#binary(0)
    if (!this.#take('?')) return condition
    const taken = condition !== 0n
    const first = this.#maybe(taken, () => this.#comma())
    if (!this.#take(':')) this.#fail('":" expected')
    const second = this.#maybe(!taken, () => this.#conditional())
    return taken ? first : second
  }

  #maybe(taken: boolean, part: () => bigint): bigint {
    if (taken) return part()
    this.#skipping++
    const value = part()
    this.#skipping--
    return value
  }

  #binary(level: number): bigint {
    const operators = LEVELS[level]
    if (!operators) return this.#unary()
    let left = this.#binary(level + 1)
    for (;;) {
      const operator = operators.find((o) => this.#take(o))
      if (operator === undefined) return left
      if (operator === '||' || operator === '&&') {
        const decided = (left !== 0n) === (operator === '||')
        const right = this.#maybe(!decided, () => this.#binary(level + 1))
        left = decided ? BigInt(operator === '||') : BigInt(right !== 0n)
      } else left = this.#apply(operator, left, this.#binary(level + 1))
    }
  }

  #unary(): bigint {
    if (this.#take('-')) return wrap(-this.#unary())
    if (this.#take('+')) return this.#unary()
    if (this.#take('!')) return BigInt(this.#unary() === 0n)
    if (this.#take('~')) return wrap(~this.#unary())
    return this.#primary()
  }

  #primary(): bigint {
    if (this.#take('(')) {
      const value = this.#comma()
      if (!this.#take(')')) this.#fail('")" expected')
      return value
    }
    const token = this.#tokens[this.#at++]
    if (token?.type === 'number') return this.#number(token.text)
    if (token?.type === 'name') return this.#valueOf(token.text)
    return this.#fail('a value is missing')
  }

  #number(text: string): bigint {
    if (/^0[0-7]+$/.test(text)) return wrap(BigInt(`0o${text.slice(1)}`))
    if (/^0\d/.test(text)) return this.#fail(`not an octal number "${text}"`)
    return wrap(BigInt(text))
  }

  #valueOf(name: string): bigint {
    const text = (this.#variables.get(name) ?? '').trim()
    if (text === '') return 0n
    const match = /^([-+]?)(0[xX][0-9a-fA-F]+|\d+)$/.exec(text)
    if (!match) throw new ShellError(`Illegal number: ${text}`, 2)
    const value = this.#number(match[2]!)
    return match[1] === '-' ? -value : value
  }

  #apply(operator: string, a: bigint, b: bigint): bigint {
    switch (operator) {
      case '+':
        return wrap(a + b)
      case '-':
        return wrap(a - b)
      case '*':
        return wrap(a * b)
      case '/':
      case '%':
        if (b === 0n) return this.#skipping > 0 ? 0n : this.#fail('division by zero')
        return wrap(operator === '/' ? a / b : a % b)
      case '<<':
        return wrap(a << (b & 63n))
      case '>>':
        return a >> (b & 63n)
      case '&':
        return a & b
      case '|':
        return a | b
      case '^':
        return a ^ b
      case '==':
        return BigInt(a === b)
      case '!=':
        return BigInt(a !== b)
      case '<':
        return BigInt(a < b)
      case '>':
        return BigInt(a > b)
      case '<=':
        return BigInt(a <= b)
      default:
        return BigInt(a >= b)
    }
  }
}

function wrap(value: bigint): bigint {
  return BigInt.asIntN(64, value)
}
