import { readFileSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import type { RlimitName } from '../../rootless/plan.js'
import type { Ulimit } from '../api.js'

/** Lines of /proc/PID/limits. @see proc(5) */
const LINES: Readonly<Record<RlimitName, string>> = {
  cpu: 'Max cpu time',
  fsize: 'Max file size',
  data: 'Max data size',
  stack: 'Max stack size',
  core: 'Max core file size',
  rss: 'Max resident set',
  nproc: 'Max processes',
  nofile: 'Max open files',
  memlock: 'Max locked memory',
  as: 'Max address space',
  locks: 'Max file locks',
  sigpending: 'Max pending signals',
  msgqueue: 'Max msgqueue size',
  nice: 'Max nice priority',
  rtprio: 'Max realtime priority',
  rttime: 'Max realtime timeout',
}

/**
 * Limits can be lowered by anybody and raised by nobody here: a hard limit is that of this process, whatever a user
 * namespace lets its root do.
 *
 * @param text content of /proc/self/limits
 * @throws TsboxError E_ULIMIT for a limit above the one that holds
 * @see getrlimit(2)
 */
export function checkLimits(limits: readonly Ulimit[], text: string = readFileSync('/proc/self/limits', 'utf8')): void {
  for (const { name, hard } of limits) {
    const most = hardLimit(text, LINES[name])
    if (hard <= most) continue
    throw new TsboxError(
      'E_ULIMIT',
      `set ulimit ${name}: ${shown(hard)} is more than this user may have, ${shown(most)}`,
      {
        hint: `give at most ${name}=${most}, or have the limit raised (limits.conf(5)) and log in again`,
        exitCode: 125,
      },
    )
  }
}

function hardLimit(text: string, label: string): number {
  const line = text.split('\n').find((l) => l.startsWith(`${label} `))
  const hard = line?.slice(label.length).trim().split(/\s+/)[1]
  return hard === undefined || hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
}

function shown(limit: number): string {
  return limit === Number.POSITIVE_INFINITY ? '-1 (unlimited)' : String(limit)
}
