import { TsboxError } from '../../../base/error.js'
import type { RunRequest } from '../../api.js'
import type { RunIsolation } from './request.js'

/** Namespaces that a container shares with the host. */
export type SharedNamespace = 'ipc' | 'uts'

/** What each may be beside `host`: other words for one of its own. */
const OWN: Readonly<Record<'ipc' | 'uts' | 'pid' | 'cgroupns', readonly string[]>> = {
  ipc: ['', 'private', 'shareable'],
  uts: ['', 'private'],
  pid: ['', 'private'],
  cgroupns: ['', 'private'],
}
const NO_HOST: Readonly<Record<string, string>> = {
  pid: 'what a container started is found, and ended, by its PID namespace',
  cgroupns: 'the cgroups of this machine are shown read-only, from the container on',
}

/** @throws TsboxError E_NAMESPACE, exit code 125 */
export function sharedNamespaces(request: RunIsolation, hostname: string | undefined): SharedNamespace[] {
  const shared: SharedNamespace[] = []
  for (const kind of ['ipc', 'uts', 'pid', 'cgroupns'] as const) {
    const given = request[kind]
    if (given === undefined || OWN[kind].includes(given)) continue
    if (given !== 'host') throw refused(kind, given, 'namespaces of other containers are not entered')
    if (kind === 'pid' || kind === 'cgroupns') throw refused(kind, given, NO_HOST[kind]!)
    shared.push(kind)
  }
  if (shared.includes('uts') && hostname !== undefined)
    throw refused('uts', 'host', 'a host name can only be given to a namespace of its own')
  return shared
}

function refused(kind: string, given: string, why: string): TsboxError {
  return new TsboxError('E_NAMESPACE', `cannot honour --${kind}=${given}: ${why}`, {
    exitCode: 125,
    hint: `leave out --${kind}, the container has one of its own then`,
  })
}

/** Sysctls that an IPC namespace has of its own. @see moby, namespaces(7) */
const IPC = /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\..+)$/
const UTS = 'kernel.domainname'

/**
 * Settings of the container's own namespaces.
 *
 * @returns values by path below /proc/sys
 * @throws TsboxError E_SYSCTL for one that is the machine's, exit code 125
 */
export function sysctlPaths(
  given: readonly string[],
  shared: readonly SharedNamespace[],
  network: RunRequest['network'],
): Record<string, string> {
  const out: Record<string, string> = {}
  for (const text of given) {
    const at = text.indexOf('=')
    const key = text.slice(0, Math.max(at, 0)).trim()
    // The dots of an interface's name are written as slashes, as sysctl(8) has it.
    if (!/^[a-z0-9_-]+([./][a-zA-Z0-9_-]+)+$/.test(key)) throw sysctlError(text, 'it is not KEY=VALUE')
    const dotted = key.replaceAll('/', '.')
    if (IPC.test(dotted)) {
      if (shared.includes('ipc')) throw sysctlError(text, 'the IPC namespace is that of this machine')
    } else if (dotted === UTS) {
      if (shared.includes('uts')) throw sysctlError(text, 'the UTS namespace is that of this machine')
    } else if (dotted.startsWith('net.')) {
      if (network === 'host') throw sysctlError(text, 'the network is that of this machine', '--network none')
    } else throw sysctlError(text, 'it is a setting of the whole machine, which no container has of its own')
    out[key.includes('/') ? key : key.replaceAll('.', '/')] = text.slice(at + 1)
  }
  return out
}

function sysctlError(text: string, why: string, hint?: string): TsboxError {
  return new TsboxError('E_SYSCTL', `cannot set sysctl "${text}": ${why}`, {
    exitCode: 125,
    hint: hint ?? 'net.* (with --network none), fs.mqueue.*, kernel.msg*, kernel.sem and kernel.shm* can be set',
  })
}
