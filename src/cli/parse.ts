import yargs, { type Argv } from 'yargs'
import { normaliseArgv } from './argv.js'
import type { Command, Values } from './command.js'
import { UsageError } from './usage-error.js'
import { usageLine } from './usage-line.js'

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
  const parsed = parserOf(command, name, [...normal.options, '--', ...normal.args]).parseSync()
  const args = parsed._.map(String)
  checkCount(args.length, command, name)
  return { help: false, values: complete(command, parsed), args }
}

/** Text of `--help`. @param columns width of the terminal */
export async function helpText(command: Command, name: string, columns: number): Promise<string> {
  const help = await parserOf(command, name, [])
    .usage(`Usage:  ${usageLine(command, name)}\n\n${command.summary}`)
    .wrap(null)
    .getHelp()
  // yargs ends each line with the type of the value; the sentence before it says what is expected.
  const lines = help.split('\n').map((l) => l.replace(/\s*\[(?:boolean|string|number|array)\]/g, '').trimEnd())
  return `${lines.flatMap((l) => wrapOption(l, Math.min(columns, 100))).join('\n')}\n`
}

/** Breaks the description of one option between words, each line below the first. */
function wrapOption(line: string, columns: number): string[] {
  const at = /^ +-.*? {2,}(?=[^ -])/.exec(line)?.[0].length
  if (at === undefined || line.length <= columns || columns - at < 20) return [line]
  const lines = [line.slice(0, at)]
  for (const word of line.slice(at).split(' ')) {
    const current = lines.length - 1
    const gap = lines[current]!.length > at ? ' ' : ''
    if (gap && lines[current]!.length + word.length >= columns) lines.push(' '.repeat(at) + word)
    else lines[current] += gap + word
  }
  return lines
}

function parserOf(command: Command, name: string, argv: string[]): Argv {
  return yargs(argv)
    .scriptName(name)
    .locale('en')
    .help(false)
    .version(false)
    .exitProcess(false)
    .options(command.options)
    .strict()
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'duplicate-arguments-array': true,
      'greedy-arrays': false,
      'parse-numbers': true,
      'parse-positional-numbers': false,
    })
    .fail((message: string, err: Error | undefined) => {
      throw err ?? new UsageError(message)
    })
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
