/** The syntax tree of a script. @see POSIX.1-2017, XCU 2.10, Shell Grammar */

/** A place in the script; both count from 1. */
export interface Position {
  line: number
  column: number
}

/** A piece of a word. */
export type WordPart =
  | { type: 'text'; text: string; quoted: boolean }
  | { type: 'tilde'; user: string }
  | Parameter
  | { type: 'command'; body: List; quoted: boolean; at: Position }
  | { type: 'arithmetic'; expression: Word; quoted: boolean; at: Position }

/** `$name` and all forms of `${…}`. */
export interface Parameter {
  type: 'parameter'
  name: string
  /** `length` is `${#name}`; the others are written as they are, with the colon where there was one. */
  operator?: 'length' | `${':' | ''}${'-' | '=' | '?' | '+'}` | '%' | '%%' | '#' | '##' | undefined
  /** What follows the operator. */
  word?: Word | undefined
  quoted: boolean
  at: Position
}

/** A word before expansion. */
export interface Word {
  parts: WordPart[]
  at: Position
}

export interface Redirection {
  /** Descriptor; undefined takes the operator's own. */
  fd: number | undefined
  operator: '<' | '>' | '>>' | '>|' | '<>' | '<&' | '>&' | '<<'
  /** A path, a number or `-`; of `<<` the document. */
  target: Word
  at: Position
}

export interface Assignment {
  name: string
  value: Word
}

export interface SimpleCommand {
  type: 'simple'
  assignments: Assignment[]
  words: Word[]
  redirections: Redirection[]
  at: Position
}

interface Compound {
  redirections: Redirection[]
  at: Position
}

export type Command =
  | SimpleCommand
  | (Compound & { type: 'subshell' | 'group'; body: List })
  | (Compound & { type: 'if'; branches: { condition: List; body: List }[]; otherwise?: List | undefined })
  | (Compound & { type: 'while'; until: boolean; condition: List; body: List })
  | (Compound & { type: 'for'; name: string; words: Word[] | undefined; body: List })
  | (Compound & { type: 'case'; subject: Word; items: { patterns: Word[]; body: List }[] })
  | (Compound & { type: 'function'; name: string; body: Command })

export interface Pipeline {
  /** `!` before it. */
  negated: boolean
  commands: Command[]
}

export interface AndOr {
  first: Pipeline
  rest: { operator: '&&' | '||'; pipeline: Pipeline }[]
  /** Ends in `&`. */
  background: boolean
  at: Position
}

export type List = AndOr[]
