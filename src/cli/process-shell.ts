import { fstatSync, writeSync } from 'node:fs'
import { errnoCode } from '../base/error.js'
import { sleepSync } from '../util/sleep.js'
import type { Output, Shell } from './shell.js'

/** The shell of the running process. Streams of Node are not touched: they cost milliseconds to set up. */
export function processShell(): Shell {
  return {
    env: process.env,
    cwd: process.cwd(),
    stdout: fileOutput(1),
    stderr: fileOutput(2),
    stdin: {
      get isTerminal() {
        return isTerminal(0)
      },
      stream: () => process.stdin,
    },
    now: Date.now,
    onInterrupt,
    openEngine: async (options) => (await import('../engine/open.js')).openEngine(options),
  }
}

/** Device number's major part of /dev/null and the like. */
const MEMORY_DEVICES = 1

function isTerminal(fd: number): boolean {
  try {
    // Loading `tty` costs; pipes, files and /dev/null are told apart without it.
    const stat = fstatSync(fd)
    if (!stat.isCharacterDevice() || stat.rdev >> 8 === MEMORY_DEVICES) return false
  } catch {
    return false
  }
  return process.getBuiltinModule('node:tty').isatty(fd)
}

function fileOutput(fd: 1 | 2): Output {
  let terminal: boolean | undefined
  const isTty = () => {
    terminal ??= isTerminal(fd)
    return terminal
  }
  const stream = () => (fd === 1 ? process.stdout : process.stderr)
  return {
    write: (data) => writeAll(fd, typeof data === 'string' ? Buffer.from(data) : data),
    get isTerminal() {
      return isTty()
    },
    columns: () => (isTty() && stream().columns) || 80,
    rows: () => (isTty() && stream().rows) || 24,
  }
}

/** Writes everything; a full non-blocking pipe is waited for, a closed one ends the process as SIGPIPE would. */
function writeAll(fd: number, data: Uint8Array): void {
  let at = 0
  while (at < data.length) {
    try {
      at += writeSync(fd, data, at)
    } catch (err) {
      const code = errnoCode(err)
      if (code === 'EPIPE') process.exit(141)
      if (code !== 'EAGAIN') throw err
      sleepSync(2)
    }
  }
}

function onInterrupt(callback: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const s of signals) process.on(s, callback)
  return () => {
    for (const s of signals) process.off(s, callback)
  }
}
