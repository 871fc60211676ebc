import type { Shell } from './shell.js'

/** Shows on a terminal that something long is under way; elsewhere only does it. */
export async function withSpinner<T>(shell: Shell, text: string, work: () => Promise<T>): Promise<T> {
  if (!shell.stderr.isTerminal || shell.env.TERM === 'dumb') return await work()
  const { default: ora } = await import('ora')
  // The cursor and input stay the terminal's own: a prompt or another process may use them.
  const spinner = ora({ text, stream: process.stderr, discardStdin: false }).start()
  try {
    return await work()
  } finally {
    spinner.stop()
  }
}
