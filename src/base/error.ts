/** What a user-facing error carries beside its message. */
export interface TsboxErrorOptions {
  /** The command or setting that mends it. */
  hint?: string | undefined
  /** Process exit status: 1 for a failed build, 125 for the engine, 126/127 for a payload that can't start. */
  exitCode?: number | undefined
  cause?: unknown
  /** Where in a user's file the fault is. */
  location?: SourceLocation | undefined
}

/** A place in a user's file: lines and columns count from 1; `lines` is the text shown around it. */
export interface SourceLocation {
  file: string
  line: number
  column?: number | undefined
  endLine?: number | undefined
  /** The whole text of the file, from which the excerpt is printed. */
  text?: string | undefined
}

/**
 * The one class of expected failures. Message grammar: action, colon, state, offending value in quotes, no full stop.
 * Anything else that reaches the top is a bug and prints its stack.
 */
export class TsboxError extends Error {
  readonly code: string
  readonly hint: string | undefined
  readonly exitCode: number
  readonly location: SourceLocation | undefined

  constructor(code: string, message: string, options: TsboxErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'TsboxError'
    this.code = code
    this.hint = options.hint
    this.exitCode = options.exitCode ?? 1
    this.location = options.location
  }
}

/** The same error with a place, unless it has one already; anything but a TsboxError comes back as it is. */
export function withLocation(err: unknown, location: SourceLocation | undefined): unknown {
  if (!(err instanceof TsboxError) || err.location || !location) return err
  return new TsboxError(err.code, err.message, { hint: err.hint, exitCode: err.exitCode, cause: err, location })
}

/** The `code` of a Node system error (`ENOENT`, …), or undefined for anything else. */
export function errnoCode(err: unknown): string | undefined {
  const code = (err as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}
