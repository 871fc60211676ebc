import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { DoctorFact } from './doctor-fact.js'
import { doctorFact } from './doctor-messages.js'
import { currentUser } from './id-map.js'

/** Where systemd-logind is configured: a main file, and parts by name, the last of which counts. @see logind.conf(5) */
const MAIN = ['/usr/lib/systemd/logind.conf', '/run/systemd/logind.conf', '/etc/systemd/logind.conf']
const PARTS = ['/usr/lib/systemd/logind.conf.d', '/run/systemd/logind.conf.d', '/etc/systemd/logind.conf.d']

/**
 * What ends this user's processes when a login session ends, containers in the background too: systemd-logind with
 * `KillUserProcesses=yes`, unless the user lingers.
 *
 * @param root before every path: for tests
 * @returns the command that mends it; undefined where processes stay
 */
export function endsAtLogout(root = ''): string | undefined {
  // In a session of logind's, and in nothing that was started outside of it.
  if (!/\/session-[^/]+\.scope(\/|$)/m.test(text(`${root}/proc/self/cgroup`))) return undefined
  const { uid, name } = currentUser()
  const user = name ?? String(uid)
  if (existsSync(`${root}/var/lib/systemd/linger/${user}`) || !killsProcesses(root, user)) return undefined
  return `loginctl enable-linger ${user}`
}

/** Distributions build logind so that it does not where nothing is configured. */
function killsProcesses(root: string, user: string): boolean {
  const parts = new Map(PARTS.flatMap((dir) => names(`${root}${dir}`).map((name) => [name, `${root}${dir}/${name}`])))
  const files = [
    ...MAIN.map((file) => `${root}${file}`)
      .filter(existsSync)
      .slice(-1),
    ...sortedValues(parts),
  ]
  const settings = new Map(
    files.flatMap((file) => [...text(file).matchAll(/^(\w+)\s*=\s*(.*?)\s*$/gm)].map((m) => [m[1]!, m[2]!])),
  )
  if (!/^(1|yes|y|true|t|on)$/i.test(settings.get('KillUserProcesses') ?? '')) return false
  const listed = (key: string) => (settings.get(key) ?? '').split(/\s+/).includes(user)
  const only = (settings.get('KillOnlyUsers') ?? '') !== ''
  return !listed('KillExcludeUsers') && (!only || listed('KillOnlyUsers'))
}

function sortedValues(map: ReadonlyMap<string, string>): string[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
}

function names(dir: string): string[] {
  try {
    return readdirSync(dir).filter((name) => name.endsWith('.conf'))
  } catch {
    return []
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** What becomes of containers in the background at logout. */
export function logoutFact(root = ''): DoctorFact {
  const mend = endsAtLogout(root)
  return mend === undefined ? doctorFact('logout.ok') : doctorFact('logout.ended', {}, mend)
}
