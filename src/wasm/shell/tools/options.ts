import { ToolError } from '../command.js'

/** Options of a tool: letters (with `:` for one that takes a value), and long names for them. */
export interface OptionSpec {
  /** As getopt(3) has them: `abc:`. */
  letters: string
  /** Long name → letter. */
  long?: Readonly<Record<string, string>>
  /** Operands end the options. */
  stopsAtOperand?: boolean
  /** Status of a bad option. */
  status?: number
}

/** What was given, in order. */
export interface Parsed {
  given: readonly { letter: string; value: string }[]
  operands: string[]
  has(letter: string): boolean
  /** The last value of a letter. */
  value(letter: string): string | undefined
}

/** @throws {ToolError} for an option that the tool does not have: none is ever ignored */
export function parseOptions(args: readonly string[], spec: OptionSpec): Parsed {
  const given: { letter: string; value: string }[] = []
  const operands: string[] = []
  const bad = (message: string) => new ToolError(message, spec.status ?? 1)
  const takesValue = (letter: string) => spec.letters[spec.letters.indexOf(letter) + 1] === ':'
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!
    if (word === '--') {
      operands.push(...args.slice(i + 1))
      break
    }
    if (word.startsWith('--')) {
      const [name, inline] = word.slice(2).split(/=(.*)/s) as [string, string | undefined]
      const letter = spec.long?.[name]
      if (letter === undefined) throw bad(`unrecognized option '--${name}'`)
      if (!takesValue(letter)) {
        if (inline !== undefined) throw bad(`option '--${name}' doesn't allow an argument`)
        given.push({ letter, value: '' })
        continue
      }
      const value = inline ?? args[++i]
      if (value === undefined) throw bad(`option '--${name}' requires an argument`)
      given.push({ letter, value })
      continue
    }
    if (word === '-' || !word.startsWith('-')) {
      if (spec.stopsAtOperand) {
        operands.push(...args.slice(i))
        break
      }
      operands.push(word)
      continue
    }
    for (let at = 1; at < word.length; at++) {
      const letter = word[at]!
      if (letter === ':' || !spec.letters.includes(letter)) throw bad(`invalid option -- '${letter}'`)
      if (!takesValue(letter)) {
        given.push({ letter, value: '' })
        continue
      }
      const value = at + 1 < word.length ? word.slice(at + 1) : args[++i]
      if (value === undefined) throw bad(`option requires an argument -- '${letter}'`)
      given.push({ letter, value })
      break
    }
  }
  return {
    given,
    operands,
    has: (letter) => given.some((o) => o.letter === letter),
    value: (letter) => given.findLast((o) => o.letter === letter)?.value,
  }
}

/** @throws {ToolError} where fewer operands were given */
export function requireOperands(operands: readonly string[], count = 1): void {
  if (operands.length >= count) return
  throw new ToolError(operands.length === 0 ? 'missing operand' : `missing operand after '${operands.at(-1)}'`)
}
