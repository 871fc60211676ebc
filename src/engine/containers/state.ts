import { readFileSync } from 'node:fs'
import { errnoCode } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import { bootId, isAlive } from '../../util/identity.js'
import { isPaused } from '../run/paused.js'

/** What a container does now, as far as its record, its monitor's last word and the living processes say. */
export interface ContainerState {
  status: 'created' | 'running' | 'exited'
  /** It runs, and none of its processes moves. */
  paused?: boolean | undefined
  /** Once it has ended, or could not start. */
  exitCode?: number | undefined
  /** RFC 3339. */
  finished?: string | undefined
  error?: string | undefined
}

/** What a monitor writes at the end. */
interface LastWord {
  exitCode: number
  finished: string
  error: string
}

/** Killed, and docker's word for a container that a reboot ended. */
const KILLED = 137
const LOST = 255

/** @param dir the container's folder */
export function containerState(record: ContainerRecord, dir: string): ContainerState {
  const { exitCode, finished, error, runner } = record
  if (exitCode !== undefined) return { status: 'exited', exitCode, finished, error }
  if (!runner) return { status: 'created' }
  const last = record.detached ? lastWord(dir) : undefined
  if (last)
    return { status: 'exited', exitCode: last.exitCode, finished: last.finished, error: last.error || undefined }
  if (isAlive(runner)) return { status: 'running', paused: isPaused(dir) }
  // It may have written between the two looks.
  const late = record.detached ? lastWord(dir) : undefined
  if (late)
    return { status: 'exited', exitCode: late.exitCode, finished: late.finished, error: late.error || undefined }
  // Who ran it is dead, and the container went with it, whether or not anybody could write that down.
  return { status: 'exited', exitCode: runner.bootId === bootId() ? KILLED : LOST }
}

function lastWord(dir: string): LastWord | undefined {
  try {
    return JSON.parse(readFileSync(`${dir}/exit.json`, 'utf8')) as LastWord
  } catch (err) {
    if (errnoCode(err) === 'ENOENT' || err instanceof SyntaxError) return undefined
    throw err
  }
}
