import { accessSync, constants, readFileSync } from 'node:fs'
import type { Controller } from './limits.js'

/** Name of the cgroup into which what is in our own is moved, so that it can have limited children. */
export const OWN_LEAF = 'tsbox-self'

/** Where this machine has cgroup v2, and where in it this process is. */
export interface CgroupSite {
  /** Directory on which cgroup2 is mounted. */
  mount: string
  /** Controllers are with cgroup v1: the v2 hierarchy beside it can hold and freeze processes, hardly limit them. */
  hybrid: boolean
  /** Absolute; undefined where the mount does not show this process's cgroup. */
  own: string | undefined
}

/**
 * @param mountinfo content of /proc/self/mountinfo
 * @param membership content of /proc/self/cgroup
 * @returns undefined where cgroup v2 is nowhere mounted
 * @see proc_pid_mountinfo(5), cgroups(7)
 */
export function parseSite(mountinfo: string, membership: string): CgroupSite | undefined {
  const lines = mountinfo.split('\n').map((line) => line.split(' '))
  const typeOf = (fields: string[]) => fields[fields.indexOf('-') + 1]
  const found = lines.filter((fields) => fields.includes('-') && typeOf(fields) === 'cgroup2').at(-1)
  if (!found) return undefined
  const root = unescaped(found[3]!)
  const mount = unescaped(found[4]!)
  const path = /^0::(.*)$/m.exec(membership)?.[1]
  const hybrid = lines.some((fields) => fields.includes('-') && typeOf(fields) === 'cgroup')
  return { mount, hybrid, own: path === undefined ? undefined : below(mount, root, path) }
}

function below(mount: string, root: string, path: string): string | undefined {
  // Of a process outside of our cgroup namespace.
  if (path.startsWith('/..')) return undefined
  const rest = root === '/' ? path : path === root ? '/' : path.startsWith(`${root}/`) ? path.slice(root.length) : ''
  return rest === '' ? undefined : rest === '/' ? mount : `${mount}${rest}`
}

/** mountinfo writes blanks as `\040`. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

/** This machine's; undefined where there is no cgroup v2. */
export function findSite(): CgroupSite | undefined {
  try {
    return parseSite(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'))
  } catch {
    return undefined
  }
}

/** Directory of a process's cgroup; undefined where it is not shown, or the process is gone. */
export function cgroupOf(pid: number): string | undefined {
  try {
    return parseSite(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.own
  } catch {
    return undefined
  }
}

/** Controllers that the children of a cgroup can have. */
export function controllersAt(dir: string): Set<Controller> {
  try {
    return new Set(readFileSync(`${dir}/cgroup.controllers`, 'utf8').split(/\s+/).filter(Boolean) as Controller[])
  } catch {
    return new Set()
  }
}

/** True for a cgroup that was handed to this user: processes can be moved within it. */
export function isDelegated(dir: string): boolean {
  try {
    for (const path of [dir, `${dir}/cgroup.procs`, `${dir}/cgroup.subtree_control`]) accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
