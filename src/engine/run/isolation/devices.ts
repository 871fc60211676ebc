import { accessSync, constants, readdirSync, type Stats, statSync } from 'node:fs'
import { TsboxError } from '../../../base/error.js'
import { cleanPath } from '../../../base/path.js'
import type { ContainerMount } from '../../../rootless/container-spec.js'
import type { IdMode } from '../../../rootless/plan.js'

/** What /dev of a container has of its own. */
const OWN = new Set(
  'null zero full random urandom tty console ptmx pts shm mqueue fd stdin stdout stderr core'.split(' '),
)

/**
 * Mounts of `--device HOST[:CONTAINER[:PERMISSIONS]]`: a device, or all that are in a folder. Nobody here can make
 * device nodes or filter their use, so one that this user may open is bound as it is.
 *
 * @throws TsboxError E_DEVICE, exit code 125
 */
export function deviceMounts(given: readonly string[], mode: IdMode): ContainerMount[] {
  return given.flatMap((text) => {
    const { host, target } = parseDevice(text)
    const st = statSync(host, { throwIfNoEntry: false })
    if (!st) throw wrong(text, `there is no "${host}"`)
    const found = st.isDirectory() ? nodesBelow(host) : [host]
    if (!found.length) throw wrong(text, `there is no device in "${host}"`)
    for (const path of found) checkDevice(text, path, mode)
    return found.map((path) => bind(path, `${target}${path.slice(host.length)}`))
  })
}

/** Every device of this machine that can be given to a container: what --privileged adds. */
export function allDevices(mode: IdMode): ContainerMount[] {
  return nodesBelow('/dev')
    .filter((path) => !OWN.has(path.split('/')[2]!) && refusal(path, statSync(path), mode) === undefined)
    .map((path) => bind(path, path))
}

function bind(path: string, target: string): ContainerMount {
  return { op: 'bind', source: { path }, target, recursive: false }
}

function parseDevice(text: string): { host: string; target: string } {
  const [host = '', second = '', third = '', ...more] = text.split(':')
  const isPermissions = /^[rwm]+$/.test(second) && third === ''
  const target = second === '' || isPermissions ? host : second
  const permissions = (isPermissions ? second : third) || 'rwm'
  if (more.length || !host.startsWith('/') || !target.startsWith('/') || !/^[rwm]+$/.test(permissions))
    throw wrong(text, 'it is not HOST[:CONTAINER[:PERMISSIONS]] with absolute paths')
  if (!permissions.includes('r') || !permissions.includes('w'))
    throw wrong(text, 'only root can restrict what is done with a device: it is given for reading and writing')
  return { host: cleanPath(host), target: cleanPath(target) }
}

function nodesBelow(dir: string): string[] {
  const out: string[] = []
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = `${dir}/${entry.name}`
    if (entry.isCharacterDevice() || entry.isBlockDevice()) out.push(path)
    else if (entry.isDirectory() && !(dir === '/dev' && OWN.has(entry.name))) out.push(...listable(path))
  }
  return out.sort()
}

function listable(dir: string): string[] {
  try {
    return nodesBelow(dir)
  } catch {
    // A folder that this user may not read has nothing for it.
    return []
  }
}

function checkDevice(text: string, path: string, mode: IdMode): void {
  const st = statSync(path)
  if (!st.isCharacterDevice() && !st.isBlockDevice())
    throw wrong(text, `it is no device: "${path}"`, `-v ${path}:${path}`)
  const why = refusal(path, st, mode)
  if (why !== undefined) throw wrong(text, `${why}: "${path}"`, hintFor(path, st, mode))
}

/** Why the container could not open it; undefined where it can. */
function refusal(path: string, st: Stats, mode: IdMode): string | undefined {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
  } catch {
    return 'this user may not open it'
  }
  // With mapped ids the container has none of this user's groups.
  const owner = st.uid === process.getuid?.()
  const may = owner ? (st.mode & 0o600) === 0o600 : (st.mode & 0o006) === 0o006
  return mode === 'single' || may ? undefined : 'only a group of this user may open it, and containers do not have it'
}

function hintFor(path: string, st: Stats, mode: IdMode): string {
  const groups = process.getgroups?.() ?? []
  if (mode !== 'single' && groups.includes(st.gid)) return '--userns single, which keeps the groups'
  const group = (st.mode & 0o060) === 0o060 && st.gid !== 0
  return group ? `sudo usermod -aG ${st.gid} $USER, and log in again` : `ls -l ${path} tells who may`
}

function wrong(text: string, why: string, hint = 'for example --device /dev/fuse'): TsboxError {
  return new TsboxError('E_DEVICE', `cannot give device "${text}": ${why}`, { exitCode: 125, hint })
}
