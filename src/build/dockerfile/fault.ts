import { TsboxError } from '../../base/error.js'
import type { LineRange } from './ast.js'
import { suggest } from './suggest.js'

/**
 * A fault in a Dockerfile, not yet tied to a place: whoever knows the lines adds them with {@link locate}.
 *
 * @param hint what mends it
 */
export function fault(message: string, hint?: string): TsboxError {
  return new TsboxError('E_DOCKERFILE', message, { hint })
}

/** A fault whose message ends with the option that was probably meant; the hint is for where none is near. */
export function faultWithGuess(
  message: string,
  value: string,
  options: readonly string[],
  settings: { ignoreCase?: boolean; hint?: string | undefined } = {},
): TsboxError {
  const guess = suggest(value, options, settings.ignoreCase)
  if (guess === undefined) return fault(message, settings.hint)
  return fault(`${message} (did you mean ${guess}?)`, `write ${guess}`)
}

/** A file's name and text: what an error needs to show its lines. */
export interface SourceFile {
  file: string
  text: string
}

/** The same fault, tied to lines of a file unless it already is. */
export function located(source: SourceFile, lines: LineRange | number, err: TsboxError): TsboxError {
  if (err.location) return err
  const range = typeof lines === 'number' ? { line: lines, endLine: lines } : lines
  return new TsboxError(err.code, err.message, {
    hint: err.hint,
    exitCode: err.exitCode,
    cause: err.cause,
    location: { file: source.file, line: range.line, endLine: range.endLine, text: source.text },
  })
}

/** Runs `work`; a fault without a place gets `range` of `source`. */
export function locate<T>(source: SourceFile, range: LineRange, work: () => T): T {
  try {
    return work()
  } catch (err) {
    throw err instanceof TsboxError ? located(source, range, err) : err
  }
}
