import { constants } from 'node:os'
import type { Step } from '../../rootless/agent.js'

/** Signals that a user may send to the command and means for the program. @see docker run --sig-proxy */
export const FORWARDED = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGALRM',
  'SIGWINCH',
] as const

/** Of those, the ones that a user sends to end a command. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const

/** Size of the terminal on standard output; undefined where there is none. */
export function terminalSize(): { columns: number; rows: number } | undefined {
  const { columns, rows, isTTY } = process.stdout
  return isTTY ? { columns, rows } : undefined
}

/**
 * Joins this process to a running step: signals go on to it, with a terminal its size follows this one's.
 *
 * @returns undoes all of it
 */
export function joinStep(step: Step, tty: boolean): () => void {
  const undo: (() => void)[] = []
  for (const name of FORWARDED) {
    if (tty && name === 'SIGWINCH') continue
    const forward = () => step.signal(constants.signals[name])
    process.on(name, forward)
    undo.push(() => process.off(name, forward))
  }
  if (tty) undo.push(followSize(step))
  return () => {
    for (const f of undo) f()
  }
}

/**
 * As {@link joinStep}, but signals are this process's own: they end it as they would without anybody who listens. One
 * that was caught a moment ago, by a listener that is gone when its turn comes, would be lost else.
 */
export function endBySignals(step: Step, tty: boolean): () => void {
  const undo: (() => void)[] = []
  for (const name of ENDING) {
    const end = () => {
      process.removeAllListeners(name)
      process.kill(process.pid, name)
    }
    process.on(name, end)
    undo.push(() => process.off(name, end))
  }
  if (tty) undo.push(followSize(step))
  return () => {
    for (const f of undo) f()
  }
}

/** Gives the step's terminal the size of this one's, now and whenever it changes. @returns ends that */
export function followSize(step: Step): () => void {
  const resize = () => {
    const size = terminalSize()
    if (size) step.resize(size.columns, size.rows)
  }
  process.stdout.on('resize', resize)
  return () => {
    process.stdout.off('resize', resize)
  }
}

/** Gives keys to the program as they are typed. @returns restores the terminal */
export function rawTerminal(): () => void {
  const { stdin } = process
  if (!stdin.isTTY) return () => {}
  stdin.setRawMode(true)
  // The helper reads the terminal itself; this process must not take any of it.
  stdin.pause()
  return () => {
    stdin.setRawMode(false)
  }
}
