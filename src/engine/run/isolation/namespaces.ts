import { TsboxError } from '../../../base/error.js'
import type { IdMode, JoinedNamespace, SharedNamespace } from '../../../rootless/plan.js'
import type { RunRequest } from '../../api.js'
import type { RunIsolation } from './request.js'

/** Which namespaces of a container are not its own. */
export interface Namespaces {
  /** The host's. */
  shared: SharedNamespace[]
  /** Those of another container, by the id of its record. */
  join?: { container: string; namespaces: JoinedNamespace[] } | undefined
  /** There is no /dev/shm. */
  noShm?: boolean | undefined
}

/** Another container, as far as its namespaces can be entered. */
export interface Donor {
  id: string
  name: string
  mode: IdMode
  network: RunRequest['network']
  hostname: string
  /** Its IPC namespace: `--ipc` as it was given. */
  ipc: string
}

/** What each may be beside `host` and `container:ID`: other words for one of its own. */
const OWN: Readonly<Record<Kind, readonly string[]>> = {
  ipc: ['', 'private', 'shareable', 'none'],
  uts: ['', 'private'],
  pid: ['', 'private'],
  cgroupns: ['', 'private'],
}
type Kind = 'ipc' | 'uts' | 'pid' | 'cgroupns'
const KINDS = ['ipc', 'uts', 'pid', 'cgroupns'] as const
const CONTAINER = 'container:'

/**
 * Reads `--ipc`, `--uts`, `--pid`, `--cgroupns`, and `--network container:ID`.
 *
 * @param find a container by name or id
 * @throws TsboxError E_NAMESPACE, exit code 125; what `find` throws
 */
export function resolveNamespaces(
  request: RunIsolation,
  hostname: string | undefined,
  mode: IdMode,
  find: (name: string) => Donor,
): Namespaces {
  const out: Namespaces = { shared: [], noShm: request.ipc === 'none' }
  for (const kind of KINDS) {
    const given = request[kind]
    if (given === undefined || OWN[kind].includes(given)) continue
    const namespace = kind === 'cgroupns' ? 'cgroup' : kind
    if (given === 'host') out.shared.push(namespace)
    else if (given.startsWith(CONTAINER) && namespace !== 'cgroup') join(out, kind, given, namespace, mode, find)
    else throw refused(kind, given, `it is one of ${[...OWN[kind].slice(1), 'host', `${CONTAINER}NAME`].join(', ')}`)
  }
  const network = request.networkOf
  if (network !== undefined) join(out, 'network', CONTAINER + network, 'net', mode, find)
  const others = out.shared.includes('uts') || out.join?.namespaces.includes('uts')
  if (others && hostname !== undefined)
    throw refused('uts', request.uts!, 'a host name can only be given to a namespace of its own')
  return out
}

function join(
  out: Namespaces,
  kind: string,
  given: string,
  namespace: JoinedNamespace,
  mode: IdMode,
  find: (name: string) => Donor,
): void {
  const donor = find(given.slice(CONTAINER.length))
  if (donor.mode !== mode)
    throw refused(kind, given, `its ids are mapped otherwise: "${donor.mode}"`, `--userns ${donor.mode}`)
  if (namespace === 'ipc' && donor.ipc === 'host') {
    out.shared.push('ipc')
    return
  }
  if (namespace === 'ipc' && donor.ipc !== 'shareable')
    throw refused(kind, given, 'non-shareable IPC', `make the other container with --ipc shareable`)
  // Of the machine's network there is nothing to enter.
  if (namespace === 'net' && donor.network === 'host') return
  if (out.join && out.join.container !== donor.id)
    throw refused(kind, given, 'namespaces can be those of one other container only')
  out.join ??= { container: donor.id, namespaces: [] }
  out.join.namespaces.push(namespace)
}

function refused(kind: string, given: string, why: string, hint?: string): TsboxError {
  return new TsboxError('E_NAMESPACE', `cannot honour --${kind}=${given}: ${why}`, {
    exitCode: 125,
    hint: hint ?? `leave out --${kind}, the container has one of its own then`,
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
  { shared, join: joined }: Namespaces,
  network: RunRequest['network'],
): Record<string, string> {
  const out: Record<string, string> = {}
  const others = (n: JoinedNamespace) => shared.includes(n) || joined?.namespaces.includes(n)
  for (const text of given) {
    const at = text.indexOf('=')
    const key = text.slice(0, Math.max(at, 0)).trim()
    // The dots of an interface's name are written as slashes, as sysctl(8) has it.
    if (!/^[a-z0-9_-]+([./][a-zA-Z0-9_-]+)+$/.test(key)) throw sysctlError(text, 'it is not KEY=VALUE')
    const dotted = key.replaceAll('/', '.')
    if (IPC.test(dotted)) {
      if (others('ipc')) throw sysctlError(text, 'the IPC namespace is not its own')
    } else if (dotted === UTS) {
      if (others('uts')) throw sysctlError(text, 'the UTS namespace is not its own')
    } else if (dotted.startsWith('net.')) {
      if (network === 'host' || others('net')) throw sysctlError(text, 'the network is not its own', '--network none')
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
