import { closest } from './closest.js'
import type { Command } from './command.js'
import { UsageError } from './usage-error.js'

/** Command line in the one shape that yargs can't misread: each option as `--name=value`, arguments apart. */
export interface NormalArgv {
  options: string[]
  args: string[]
  help: boolean
}

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

/**
 * Reads options as docker does (GNU short groups, `-eK=V`, `-e K=V`, values that begin with a dash, `--` ends them).
 * yargs alone reads `-eK=V` as four options and takes no value that begins with a dash.
 *
 * @throws {UsageError} for an unknown or refused option, a missing or impossible value
 */
export function normaliseArgv(argv: readonly string[], command: Command): NormalArgv {
  return new Reader(argv, command).read()
}

class Reader {
  private readonly argv: readonly string[]
  private readonly command: Command
  private readonly short = new Map<string, string>()
  private readonly refused = new Map<string, readonly [name: string, reason: string]>()
  private readonly out: NormalArgv = { options: [], args: [], help: false }
  private at = 0

  constructor(argv: readonly string[], command: Command) {
    this.argv = argv
    this.command = command
    for (const [name, option] of Object.entries(command.options)) {
      if (typeof option.alias === 'string') this.short.set(option.alias, name)
    }
    for (const [names, reason] of Object.entries(command.refused ?? {})) {
      const [long, short] = names.split(',')
      this.refused.set(`--${long}`, [`--${long}`, reason])
      if (short) this.refused.set(`-${short}`, [`--${long}`, reason])
    }
  }

  read(): NormalArgv {
    while (this.at < this.argv.length && !this.out.help) {
      const token = this.argv[this.at++]!
      if (token === '--') {
        this.out.args.push(...this.argv.slice(this.at))
        break
      }
      if (token.startsWith('--')) this.long(token)
      else if (token.startsWith('-') && token !== '-') this.shorts(token)
      else {
        this.out.args.push(token)
        if (!this.command.stopsAtArgument) continue
        this.out.args.push(...this.argv.slice(this.at))
        break
      }
    }
    return this.out
  }

  private long(token: string): void {
    const equals = token.indexOf('=')
    const name = equals < 0 ? token.slice(2) : token.slice(2, equals)
    const given = equals < 0 ? undefined : token.slice(equals + 1)
    if (name === 'help') {
      this.out.help = true
      return
    }
    if (!Object.hasOwn(this.command.options, name)) this.unknown(`--${name}`, `unknown flag: --${name}`, given)
    else if (this.command.options[name]!.type === 'boolean') this.push(name, given ?? 'true', `--${name}`)
    else this.push(name, given ?? this.nextValue(`flag needs an argument: --${name}`), `--${name}`)
  }

  private shorts(token: string): void {
    let at = 1
    while (at < token.length && !this.out.help) at = this.letter(token, at)
  }

  /** Reads one letter of a group. @returns where the next one is */
  private letter(token: string, at: number): number {
    const letter = token[at]!
    const name = this.short.get(letter)
    const rest = token.slice(at + 1)
    if (name === undefined) {
      if (letter === 'h') this.out.help = true
      else this.unknown(`-${letter}`, `unknown shorthand flag: '${letter}' in ${token}`, rest.replace(/^=/, ''))
      return token.length
    }
    const shown = `-${letter}, --${name}`
    if (rest.startsWith('=')) this.push(name, rest.slice(1), shown)
    else if (this.command.options[name]!.type === 'boolean') {
      this.push(name, 'true', shown)
      return at + 1
    } else this.push(name, rest || this.nextValue(`flag needs an argument: '${letter}' in ${token}`), shown)
    return token.length
  }

  private nextValue(missing: string): string {
    const value = this.argv[this.at++]
    if (value === undefined) throw new UsageError(missing)
    return value
  }

  private push(name: string, value: string, shown: string): void {
    const option = this.command.options[name]!
    const wrong = (reason: string) => new UsageError(`invalid argument "${value}" for "${shown}" flag: ${reason}`)
    if (option.type === 'boolean') {
      if (!TRUE.has(value) && !FALSE.has(value)) throw wrong('neither "true" nor "false"')
      this.out.options.push(`--${name}=${TRUE.has(value)}`)
      return
    }
    if (option.type === 'number' && !/^\d{1,9}$/.test(value)) throw wrong('not a whole number')
    if (option.choices && !option.choices.includes(value)) throw wrong(`must be one of ${option.choices.join(', ')}`)
    this.out.options.push(`--${name}=${shield(value)}`)
  }

  private unknown(flag: string, message: string, value: string | undefined): void {
    const refused = this.refused.get(flag)
    if (!refused) throw new UsageError(message, { hint: this.suggestion(flag) })
    if (value !== undefined && FALSE.has(value)) return
    throw new UsageError(`cannot honour ${refused[0]}: ${refused[1]}`, { usage: false })
  }

  private suggestion(flag: string): string | undefined {
    if (!flag.startsWith('--')) return undefined
    const found = closest(flag.slice(2), [...Object.keys(this.command.options), 'help'])
    return found && `did you mean --${found}?`
  }
}

/** yargs takes one pair of quotes off a value after `=`; a value that has a pair gets a second one. */
function shield(value: string): string {
  const first = value[0]
  return value.length > 1 && (first === '"' || first === "'") && value.endsWith(first) ? `"${value}"` : value
}
