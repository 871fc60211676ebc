import { type SourceLocation, TsboxError } from '../base/error.js'
import type { Command } from './command.js'
import { printableLines } from './printable.js'
import type { Shell } from './shell.js'
import { UsageError } from './usage-error.js'
import { usageLine } from './usage-line.js'

/**
 * Tells a failure on stderr: a wrong command line with its usage, an expected error with the lines of the file it is
 * about and what mends it, anything else as a bug with its stack.
 *
 * @returns the exit status
 */
export async function reportError(
  err: unknown,
  shell: Shell,
  call: { name: string; command: Command; debug: boolean },
): Promise<number> {
  shell.stderr.write(errorText(err, call, await painter(shell)))
  const status = err instanceof TsboxError ? err.exitCode : 1
  return status === 1 && !(err instanceof UsageError) ? (call.command.failureStatus ?? 1) : status
}

/** Colours a text red, or leaves it. */
type Paint = (text: string) => string

async function painter(shell: Shell): Promise<Paint> {
  if (!shell.stderr.isTerminal || shell.env.NO_COLOR) return (text) => text
  const { Chalk } = await import('chalk')
  return new Chalk({ level: 1 }).red
}

/** What is printed for an error. */
export function errorText(
  err: unknown,
  call: { name: string; command: Command; debug: boolean },
  paint: Paint = (text) => text,
): string {
  if (err instanceof UsageError) return usageText(err, call)
  if (!(err instanceof TsboxError)) {
    return `${paint('BUG')}: tsbox met something it was not written for; please report this\n${stackOf(err)}\n`
  }
  const lines: string[] = []
  if (err.location) lines.push(printableLines(sourceExcerpt(err.location)))
  lines.push(`${paint('ERROR:')} ${printableLines(err.message)}\n`)
  if (err.hint) lines.push(`hint: ${printableLines(err.hint)}\n`)
  if (call.debug) lines.push(`\n[${err.code}] ${stackOf(err)}\n`)
  return lines.join('')
}

function usageText(err: UsageError, call: { name: string; command: Command }): string {
  const hint = err.hint ? `${err.hint}\n` : ''
  const usage = err.showsUsage ? `\nUsage:  ${usageLine(call.command, call.name)}\n` : ''
  return `tsbox: ${printableLines(err.message)}\n${hint}${usage}\nRun '${call.name} --help' for more information\n`
}

function stackOf(err: unknown): string {
  if (!(err instanceof Error)) return `thrown: ${String(err)}`
  const cause = err.cause === undefined ? '' : `\ncaused by: ${stackOf(err.cause)}`
  return `${err.stack ?? err.message}${cause}`
}

/**
 * The lines that an error is about, marked with `>>>`, between two neighbours on either side (one when there are many),
 * laid out as BuildKit does. Only `file:line` when the text is not known.
 */
export function sourceExcerpt(at: SourceLocation): string {
  const heading = `${at.file}:${at.line}\n`
  const lines = at.text?.split('\n')
  if (!lines || at.line < 1 || at.line > lines.length) return heading
  const first = at.line
  const last = Math.min(Math.max(at.endLine ?? first, first), lines.length)
  const around = first === last ? 2 : 1
  const rule = `${'-'.repeat(20)}\n`
  let out = heading + rule
  for (let n = Math.max(1, first - around); n <= Math.min(lines.length, last + around); n++) {
    const mark = n >= first && n <= last ? '>>>' : '   '
    out += ` ${String(n).padStart(3)} | ${mark} ${lines[n - 1]!.replace(/\r$/, '')}\n`
  }
  return out + rule
}
