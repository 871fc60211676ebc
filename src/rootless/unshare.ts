import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import type { AgentOptions } from './agent.js'
import { started } from './agent-process.js'
import { HelperError } from './error.js'
import { Lane } from './lane.js'
import type { StepExit } from './plan.js'

/** The terminal sends them to the program, too: what they mean is its business. */
const LEFT_TO_IT = ['SIGINT', 'SIGQUIT'] as const
const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const

/**
 * Runs a program of this machine inside the id mapping: with this machine's files, processes and network, as the
 * mapping's root, and with this process's streams.
 *
 * @param argv not empty
 * @returns how it ended; 127 and 126 as a shell has them where it could not start
 * @throws {HelperError} where the mapping can't be had; nothing ran then
 */
export async function runUnshared(
  { helperPath, maps }: Pick<AgentOptions, 'helperPath' | 'maps'>,
  argv: readonly string[],
): Promise<StepExit> {
  const child = spawn(helperPath, ['unshare', ...argv], { stdio: ['inherit', 'inherit', 'inherit', 'pipe'] })
  const ended = new Promise<StepExit>((done, fail) => {
    child.on('exit', (code, signal) => done(code === null ? { signal: constants.signals[signal!] } : { code }))
    child.on('error', (err: NodeJS.ErrnoException) => fail(new HelperError('start helper', err.code ?? '', helperPath)))
  })
  // Who waits for the start hears of it there.
  ended.catch(() => {})
  const release = passSignals((signal) => child.kill(signal))
  const control = new Lane(child.stdio[3] as Socket)
  try {
    await Promise.race([started(control, maps), ended.then(() => undefined)])
    return await ended
  } finally {
    control.destroy()
    release()
  }
}

function passSignals(send: (signal: NodeJS.Signals) => void): () => void {
  const ignore = () => {}
  for (const name of LEFT_TO_IT) process.on(name, ignore)
  for (const name of PASSED_ON) process.on(name, send)
  return () => {
    for (const name of LEFT_TO_IT) process.off(name, ignore)
    for (const name of PASSED_ON) process.off(name, send)
  }
}
