import { replaceMatches, trimMatch } from './shell-pattern.js'

/** A word that can't be expanded; it becomes a fault where the whole word is known. */
export class Failure extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** The parts of `${name:-word}`. */
export interface Modified {
  name: string
  /** The modifier with its colon. */
  written: string
  modifier: string
  /** What follows it, expanded. */
  word: string
  /** The variable's value; undefined where it is not set. */
  value: string | undefined
}

/** What `${name:-word}` and the other forms with one word come to. */
export function applyModifier({ name, written, modifier, word, value }: Modified): string {
  const absent = value === undefined || (written.startsWith(':') && value === '')
  switch (modifier) {
    case '-':
      return absent ? word : value
    case '+':
      return absent ? '' : word
    case '?':
      if (!absent) return value
      throw new Failure(
        `${name}: ${word || `is not allowed to be ${value === undefined ? 'unset' : 'empty'}`}`,
        `pass --build-arg ${name}=… or set it with ARG or ENV above`,
      )
    case '#':
    case '%': {
      const longest = word.startsWith(modifier)
      const pattern = longest ? word.slice(1) : word
      return orFail(pattern, trimMatch(value ?? '', pattern, modifier === '%' ? 'end' : 'start', longest))
    }
    default:
      throw unsupported(written)
  }
}

/** What `${name/pattern/replacement}` comes to. */
export function replaceIn(value: string, pattern: string, replacement: string, all: boolean): string {
  return orFail(pattern, replaceMatches(value, pattern, replacement, all))
}

/** A modifier that is none. */
export function unsupported(modifier: string): Failure {
  return new Failure(
    `unsupported modifier (${modifier}) in substitution`,
    'known are :- - :+ + :? ? # ## % %% / and //',
  )
}

function orFail(pattern: string, result: string | { problem: string }): string {
  if (typeof result === 'string') return result
  throw new Failure(`invalid pattern (${pattern}) in substitution: ${result.problem}`)
}
