import type { Shell } from './shell.js'

const NUMBERS = { SIGINT: 2, SIGHUP: 1, SIGTERM: 15 }

/**
 * Runs work that a signal can end: the first one aborts it, a second one ends the process at once.
 *
 * @returns what the work returned; 128 and the signal's number when it was ended by one
 */
export async function interruptible(
  shell: Shell,
  work: (signal: AbortSignal) => Promise<number | undefined>,
): Promise<number | undefined> {
  const controller = new AbortController()
  let status: number | undefined
  const release = shell.onInterrupt((name) => {
    if (status !== undefined) process.exit(status)
    status = 128 + NUMBERS[name]
    controller.abort()
  })
  try {
    return await work(controller.signal)
  } catch (err) {
    if (status === undefined) throw err
    shell.stderr.write('canceled\n')
    return status
  } finally {
    release()
  }
}
