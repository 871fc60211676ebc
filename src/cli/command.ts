import type { Options } from 'yargs'
import type { Context } from './shell.js'

/** What a command line may ask for: yargs' options, made by the functions below. */
export type OptionTable = Readonly<Record<string, Options>>

type ValueOf<T> = T extends { type: 'boolean' }
  ? boolean
  : T extends { array: true }
    ? readonly string[]
    : T extends { type: 'number' }
      ? number | undefined
      : T extends { choices: readonly (infer C)[] }
        ? C | undefined
        : string | undefined

/** Values of options: lists and flags are always there, others are undefined when not given. */
export type Values<O extends OptionTable> = { readonly [K in keyof O]: ValueOf<O[K]> }

/** One command: what it accepts and what it does. */
export interface Command<O extends OptionTable = OptionTable> {
  /** What follows the name in the usage line. */
  synopsis: string
  /** One sentence for `--help`. */
  summary: string
  /** Fewest and most arguments that are not options. */
  arguments: readonly [min: number, max: number]
  options: O
  /**
   * Options of docker that exist but can't be honoured: long name, or long and short as `publish,p`, → why. Giving one
   * with `=false` asks for nothing and is accepted.
   */
  refused?: Readonly<Record<string, string>> | undefined
  /** Flags that are on unless they are given as `=false`. */
  initially?: Readonly<Record<string, true>> | undefined
  /** Exit status when the engine fails without one of its own; 1 where this is not set. */
  failureStatus?: number | undefined
  /** Options end at the first argument: everything after it belongs to the program that is run. */
  stopsAtArgument?: boolean | undefined
  /** Does it. @returns the exit status; nothing is 0 */
  run(values: Values<O>, args: readonly string[], context: Context): Promise<number | undefined>
}

/** Checks a command against its own options; changes nothing. */
export function defineCommand<const O extends OptionTable>(command: Command<O>): Command {
  return command as unknown as Command
}

/** An option that is on or off. */
export const flag = (describe: string, alias?: string) => ({ type: 'boolean', describe, ...named(alias) }) as const

/** An option with one value; the last one given counts. */
export const text = (describe: string, alias?: string) => ({ type: 'string', describe, ...named(alias) }) as const

/** An option that may be given many times. */
export const list = (describe: string, alias?: string) =>
  ({ type: 'string', array: true, describe, ...named(alias) }) as const

/** An option with a whole number. */
export const count = (describe: string, alias?: string) => ({ type: 'number', describe, ...named(alias) }) as const

/** An option with one of a few values. */
export const choice = <const C extends string>(choices: readonly C[], describe: string) =>
  ({ type: 'string', choices, describe }) as const

function named(alias: string | undefined): { alias?: string } {
  return alias === undefined ? {} : { alias }
}
