import { readFileSync } from 'node:fs'
import { errnoCode } from '../base/error.js'

/** A process of this machine that no later process can be mistaken for. */
export interface ProcessIdentity {
  pid: number
  /** Clock ticks since boot, from /proc; 0 where there is no /proc. */
  startTime: number
  /** Random per boot; `-` where the system doesn't tell. */
  bootId: string
}

let own: ProcessIdentity | undefined
let boot: string | undefined

/** This process. */
export function selfIdentity(): ProcessIdentity {
  own ??= { pid: process.pid, startTime: startTimeOf(process.pid) ?? 0, bootId: bootId() }
  return own
}

/** The kernel's id of this boot. */
export function bootId(): string {
  boot ??= readBootId()
  return boot
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().replaceAll('-', '')
  } catch {
    return '-'
  }
}

/**
 * Field 22 of /proc/PID/stat; undefined where there is no such process or it is dead and not yet reaped.
 *
 * @see proc_pid_stat(5)
 */
export function startTimeOf(pid: number): number | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The name in parentheses may hold anything, also parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19])
}

/** True while that very process lives. A process of another boot is dead. */
export function isAlive(id: ProcessIdentity): boolean {
  if (id.bootId !== bootId()) return false
  if (id.startTime !== 0) return startTimeOf(id.pid) === id.startTime
  try {
    process.kill(id.pid, 0)
    return true
  } catch (err) {
    return errnoCode(err) === 'EPERM'
  }
}

/** One word without slashes: `PID-START-BOOT`. */
export function formatIdentity(id: ProcessIdentity): string {
  return `${id.pid}-${id.startTime}-${id.bootId === '-' ? 'none' : id.bootId}`
}

/** Inverse of {@link formatIdentity}; what follows in the text is ignored. Undefined for anything else. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  const m = /^(\d+)-(\d+)-([0-9a-f]{32}|none)/.exec(text)
  return m ? { pid: Number(m[1]), startTime: Number(m[2]), bootId: m[3] === 'none' ? '-' : m[3]! } : undefined
}
