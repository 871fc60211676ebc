import { Parser } from 'yargs/helpers'
import { normaliseArgv } from './argv.js'
import type { Command, OptionTable, Values } from './command.js'
import { UsageError } from './usage-error.js'

/** What a command line asks for. */
export type Parsed = { help: true } | { help: false; values: Values<Command['options']>; args: readonly string[] }

/**
 * Parses what follows the command's name.
 *
 * @param name as called, with `tsbox`
 * @throws {UsageError} for what the command does not understand, with docker's exit codes
 */
export function parseArguments(command: Command, name: string, argv: readonly string[]): Parsed {
  const normal = normaliseArgv(argv, command)
  if (normal.help) return { help: true }
  const args = normal.args
  checkCount(args.length, command, name)
  // The dashes: without them the parser drops an empty value that comes last.
  const parsed = Parser([...normal.options, '--'], parserOptions(command.options))
  return { help: false, values: complete(command, parsed), args }
}

/** The command's options as the parser of yargs takes them: their names by type. */
function parserOptions(options: OptionTable): Parser.Options {
  const names = (is: (option: OptionTable[string]) => boolean | undefined) =>
    Object.keys(options).filter((name) => is(options[name]!))
  return {
    array: names((o) => o.array),
    boolean: names((o) => o.type === 'boolean'),
    number: names((o) => o.type === 'number'),
    string: names((o) => o.type === 'string'),
    configuration: {
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'duplicate-arguments-array': true,
      'greedy-arrays': false,
    },
  }
}

/** Fills in what was not given, and takes the last of a single option given twice. */
function complete(command: Command, parsed: Record<string, unknown>): Values<Command['options']> {
  const out: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(command.options)) {
    const value = parsed[name]
    if (option.array) out[name] = value ?? []
    else if (option.type === 'boolean') out[name] = lastOf(value) ?? command.initially?.[name] ?? false
    else out[name] = lastOf(value)
  }
  return out as Values<Command['options']>
}

function lastOf(value: unknown): unknown {
  return Array.isArray(value) ? value[value.length - 1] : value
}

function checkCount(given: number, command: Command, name: string): void {
  const [min, max] = command.arguments
  const fail = (what: string) => {
    throw new UsageError(`'${name}' ${what}`, { exitCode: 1 })
  }
  if (given >= min && given <= max) return
  const plural = (n: number) => `${n} argument${n === 1 ? '' : 's'}`
  if (max === 0) fail('accepts no arguments')
  if (min === max) fail(`requires ${plural(min)}`)
  if (given < min) fail(`requires at least ${plural(min)}`)
  fail(`accepts at most ${plural(max)}`)
}
