import type { Position } from './ast.js'

/** A script that is not the language, or uses a part of it that this shell does not have. */
export class ShellSyntaxError extends Error {
  readonly at: Position
  /** What to write instead. */
  readonly hint: string | undefined

  constructor(message: string, at: Position, hint?: string) {
    super(message)
    this.name = 'ShellSyntaxError'
    this.at = at
    this.hint = hint
  }
}
