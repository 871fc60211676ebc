import { TsboxError } from '../../base/error.js'
import type { BuildFailure } from '../../engine/api.js'
import type { Progress } from '../progress/open.js'
import type { Shell } from '../shell.js'
import { UsageError } from '../usage-error.js'

const OPTION = '--on-error=shell'

/**
 * Makes sure, before anything is built, that a shell could be used when a step fails.
 *
 * @param method of a `--call`, which runs no steps
 * @throws UsageError, TsboxError E_NO_TERMINAL
 */
export function requireTerminal(
  shell: Shell,
  method: string | undefined,
  context: string,
  file: string | undefined,
): void {
  if (method !== undefined) throw new UsageError(`cannot honour ${OPTION}: ${method} runs no steps`)
  if (context === '-' || file === '-')
    throw new UsageError(`cannot honour ${OPTION}: standard input is what is built, a shell could not be typed into`)
  for (const [stream, name] of [
    [shell.stdin, 'input'],
    [shell.stdout, 'output'],
  ] as const) {
    if (stream.isTerminal) continue
    throw new TsboxError('E_NO_TERMINAL', `open a shell in a failed step: standard ${name} is not a terminal`, {
      hint: `start tsbox from a terminal, its output not redirected, or leave out ${OPTION}`,
    })
  }
}

/**
 * What `--on-error=shell` does with a step that failed: ends the drawing of progress, says what failed, and gives the
 * terminal to a shell until that ends.
 */
export function shellOnFailure(shell: Shell, progress: Progress): (failure: BuildFailure) => Promise<void> {
  return async ({ error, openShell }) => {
    progress.suspend()
    const say = (text: string) => shell.stderr.write(`${text}\n`)
    say(error.message)
    if (!openShell) return say('no shell can be opened: the step ran WebAssembly, not a process')
    say(
      'A shell opens in the failed step; nothing that is done in it is kept. Leave it (exit, Ctrl-D) to end the build.',
    )
    try {
      await openShell()
    } catch (err) {
      // The build fails with what it failed with, whatever came of looking at it.
      if (!(err instanceof TsboxError) || err.code !== 'E_NO_SHELL') throw err
      say(`${err.message}${err.hint ? `\nhint: ${err.hint}` : ''}`)
    }
  }
}
