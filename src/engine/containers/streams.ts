import { constants } from 'node:os'
import type { Attached, OnOutput } from '../../rootless/control.js'
import type { StreamRequest } from '../api.js'
import { FORWARDED, rawTerminal, terminalSize } from '../run/terminal.js'
import { DetachKeys } from './detach-keys.js'

/** Where output goes: to the caller's functions. */
export function outputOf(streams: StreamRequest): OnOutput {
  return (stream, chunk) => (stream === 'stdout' ? streams.stdout(chunk) : streams.stderr(chunk))
}

/**
 * Gives a process the caller's input, signals and size of terminal, until it ends or the caller leaves it.
 *
 * @param start begins the conversation, once this terminal is ready for what comes
 * @param tty whether the process has a terminal
 * @param transparent makes this terminal leave ends of lines alone; returns what undoes it
 * @returns how it ended; `detached` where the caller left, undefined where nobody can say
 */
export async function joinStreams(
  start: () => Promise<Attached>,
  streams: StreamRequest,
  tty: boolean,
  transparent: () => () => void,
): Promise<{ code?: number | undefined; signal?: number | undefined } | 'detached' | undefined> {
  const undo: (() => void)[] = []
  let detached = false
  // A wrong one is told before anything starts.
  const keys = tty && streams.stdin ? new DetachKeys(streams.detachKeys) : undefined
  try {
    if (tty && streams.stdin) undo.push(rawTerminal())
    if (tty) undo.push(transparent())
    const attached = await start()
    const leave = () => {
      detached = true
      attached.leave()
    }
    if (tty) undo.push(followSize(attached))
    if (streams.sigProxy) undo.push(forwardSignals(attached, tty))
    if (streams.stdin) feed(attached, streams.input(), keys, leave).catch(() => {})
    const exit = await attached.exit
    return detached ? 'detached' : exit
  } finally {
    for (const f of undo.reverse()) f()
  }
}

async function feed(
  attached: Attached,
  input: AsyncIterable<Uint8Array>,
  keys: DetachKeys | undefined,
  leave: () => void,
): Promise<void> {
  for await (const chunk of input) {
    const { rest, left } = keys ? keys.take(chunk) : { rest: chunk, left: false }
    if (rest.length) await attached.write(rest)
    if (left) return leave()
  }
  attached.end()
}

function followSize(attached: Attached): () => void {
  const resize = () => {
    const size = terminalSize()
    if (size) attached.resize(size.columns, size.rows)
  }
  resize()
  process.stdout.on('resize', resize)
  return () => process.stdout.off('resize', resize)
}

function forwardSignals(attached: Attached, tty: boolean): () => void {
  const undo: (() => void)[] = []
  for (const name of FORWARDED) {
    if (tty && name === 'SIGWINCH') continue
    const forward = () => attached.signal(constants.signals[name])
    process.on(name, forward)
    undo.push(() => process.off(name, forward))
  }
  return () => {
    for (const f of undo) f()
  }
}
