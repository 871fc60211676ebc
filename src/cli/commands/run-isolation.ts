import type { RunIsolation } from '../../engine/api.js'
import { flag, list, text, type Values } from '../command.js'
import { UsageError } from '../usage-error.js'

/** Options of `run` that make a container other than usual. */
export const ISOLATION_OPTIONS = {
  'add-host': list('Add a line to the hosts file (HOST:IP)'),
  'cap-add': list('Add a capability (NAME or ALL)'),
  'cap-drop': list('Take away a capability (NAME or ALL)'),
  cgroupns: text('Cgroup namespace: private (default) or host'),
  device: list('Give a device of this machine to the container (HOST[:CONTAINER])'),
  dns: list('Address of a name server'),
  'dns-option': list('Option of the resolver'),
  'dns-search': list('Domain in which names are looked up, "." for none'),
  'group-add': list('A further group of the user'),
  ipc: text('IPC namespace: private (default), shareable, none, host or container:NAME'),
  mount: list('Mount a folder, a volume, a tmpfs or an image (type=bind|volume|tmpfs|image,target=…)'),
  'oom-score-adj': text('Readiness to be ended when memory is short (-1000 to 1000)'),
  pid: text('PID namespace: private (default), host or container:NAME'),
  privileged: flag('All capabilities and system calls, nothing hidden, and the devices that you may open'),
  'read-only': flag('Make the root of the container read-only'),
  'security-opt': list('seccomp=FILE|unconfined, no-new-privileges, mask=PATH, unmask=PATH|ALL'),
  sysctl: list('Set a sysctl of the namespaces of the container (KEY=VALUE)'),
  tmpfs: list('Mount a tmpfs (PATH[:OPTIONS])'),
  uts: text('UTS namespace: private (default), host or container:NAME'),
} as const

type IsolationValues = Values<typeof ISOLATION_OPTIONS>

/** What they ask for; undefined where none is given. @param networkOf container of `--network` @throws {UsageError} */
export async function isolationOf(
  values: IsolationValues,
  networkOf: string | undefined,
): Promise<RunIsolation | undefined> {
  const keys = Object.keys(ISOLATION_OPTIONS) as (keyof IsolationValues)[]
  const given =
    networkOf !== undefined || keys.some((key) => (Array.isArray(values[key]) ? values[key].length : values[key]))
  if (!given) return undefined
  for (const address of values.dns)
    if (!process.getBuiltinModule('node:net').isIP(address))
      throw new UsageError(`invalid --dns "${address}": it is no IP address`)
  for (const word of [...values['dns-search'], ...values['dns-option']])
    if (!/^[\w.:-]+$/.test(word)) throw new UsageError(`invalid name for the resolver: "${word}"`)
  const score = values['oom-score-adj']
  if (score !== undefined && !/^[+-]?\d{1,5}$/.test(score))
    throw new UsageError(`invalid --oom-score-adj "${score}": it is no number`)
  return {
    capAdd: values['cap-add'],
    capDrop: values['cap-drop'],
    cgroupns: values.cgroupns,
    devices: values.device,
    dns: values.dns,
    dnsOptions: values['dns-option'],
    dnsSearch: values['dns-search'],
    extraHosts: await hostsOf(values['add-host']),
    groupAdd: values['group-add'],
    ipc: values.ipc,
    mounts: values.mount,
    ...(networkOf === undefined ? {} : { networkOf }),
    oomScoreAdj: score === undefined ? undefined : Number(score),
    pid: values.pid,
    privileged: values.privileged,
    readOnly: values['read-only'],
    securityOpts: values['security-opt'],
    sysctls: values.sysctl,
    tmpfs: values.tmpfs,
    uts: values.uts,
  }
}

async function hostsOf(given: readonly string[]): Promise<{ name: string; address: string }[]> {
  if (!given.length) return []
  const { parseAddHost } = await import('./build-options.js')
  return given.map(parseAddHost)
}
