import { existsSync, readdirSync, statSync } from 'node:fs'
import { relativeToRoot } from '../base/path.js'
import type { PlanOp, SharedNamespace, StepPlan } from './plan.js'

/** A mount beside the root. */
export type ContainerMount = Extract<PlanOp, { op: 'bind' | 'tmpfs' | 'file' }>

/** What a container with Docker's defaults is made of. */
export interface ContainerSpec {
  /** Host directories, base first. */
  layers: readonly string[]
  /** Host directories that receive changes; without them the root is read-only. */
  upper?: string | undefined
  work?: string | undefined
  /** A host directory of this step, filled as `stubEntries` says: the lowest layer, which has the mount points. */
  stub: string
  mounts: readonly ContainerMount[]
  network: 'host' | 'none'
  hostname: string
  /** Contents of /etc/hosts and /etc/resolv.conf; absent ones are left as the image has them. */
  hosts?: string | undefined
  resolvConf?: string | undefined
  /** `none`: there is no /dev/shm. */
  shmSizeBytes?: number | 'none' | undefined
  /** Makes this directory when absent. */
  cwd?: { path: string; uid: number; gid: number } | undefined
  readonlyRoot?: boolean | undefined
  /** Paths that are hidden or write-protected in place of the usual ones. */
  masked?: readonly string[] | undefined
  readonlyPaths?: readonly string[] | undefined
  sysWritable?: boolean | undefined
  /** By path below /proc/sys, with slashes. */
  sysctls?: Readonly<Record<string, string>> | undefined
  oomScore?: number | undefined
  /** Namespaces of the host's; with `ipc` comes its /dev/shm. */
  shared?: readonly SharedNamespace[] | undefined
  /** Namespaces of another container. */
  join?: StepPlan['join']
  /** Processors to start on, as cpuMask() has them. */
  processors?: Uint8Array | undefined
  /** Most processes, tsbox's own included. */
  processes?: number | undefined
  /** Directory of a cgroup that goes with the container. */
  cgroup?: string | undefined
  /** Files to hand back, as /etc/passwd and /etc/group. */
  read?: readonly string[] | undefined
}

/** @see moby oci/defaults.go */
const MASKED: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
export const READONLY: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']
/** Interrupts of thermal events tell of what others compute; each processor counts them. */
const PROCESSORS = '/sys/devices/system/cpu'
const THERMAL = 'thermal_throttle'

/** What Docker hides: a fixed list, and a folder of each processor where the kernel has them. */
export function maskedPaths(): readonly string[] {
  if (!existsSync(`${PROCESSORS}/cpu0/${THERMAL}`)) return MASKED
  const processors = readdirSync(PROCESSORS).filter((name) => /^cpu\d+$/.test(name))
  return [...MASKED, ...processors.map((name) => `${PROCESSORS}/${name}/${THERMAL}`)]
}

const BASE_STUBS = ['proc', 'sys', 'dev', 'etc']
const BASE_FILES = ['etc/hosts', 'etc/hostname', 'etc/resolv.conf']
/** The root is mounted on this directory of the stub: any that is always there. */
const ROOT_PLACE = 'proc'
/** More than any real /etc/passwd has. */
const READ_MAX = 8 * 1024 * 1024

function textFile(target: string, text: string): PlanOp {
  return { op: 'file', target, content: new TextEncoder().encode(text), mode: 0o644, uid: 0, gid: 0 }
}

/** Ports below 1024 and ping for everybody, as Docker has it; /proc/sys turns read-only afterwards. */
const OWN_NETWORK: readonly PlanOp[] = [
  { op: 'loopback' },
  { op: 'write', path: '/proc/sys/net/ipv4/ip_unprivileged_port_start', text: '0', optional: true },
  { op: 'write', path: '/proc/sys/net/ipv4/ping_group_range', text: '0 65535', optional: true },
]

function depth(mount: ContainerMount): number {
  return mount.target.split('/').filter(Boolean).length
}

/** Plan of a container with Docker's defaults. A mount below another one's target comes after it, whatever their order. */
export function containerPlan(spec: ContainerSpec): StepPlan {
  const joined = spec.join?.namespaces ?? []
  const ownNetwork = spec.network === 'none' && !joined.includes('net')
  const ownHostname = !spec.shared?.includes('uts') && !joined.includes('uts')
  const ops: PlanOp[] = [
    { op: 'root', layers: [spec.stub, ...spec.layers], upper: spec.upper, work: spec.work },
    ...(ownHostname ? [{ op: 'hostname', name: spec.hostname } as const] : []),
    { op: 'proc', target: '/proc' },
    { op: 'dev', target: '/dev', shmSizeBytes: spec.shmSizeBytes },
    { op: 'sys', target: '/sys', writable: spec.sysWritable },
  ]
  if (spec.oomScore !== undefined) ops.unshift({ op: 'oom', score: spec.oomScore })
  if (spec.processors) ops.unshift({ op: 'affinity', mask: spec.processors })
  if (spec.shared?.includes('ipc')) ops.push({ op: 'bind', source: { path: '/dev/shm' }, target: '/dev/shm' })
  if (ownNetwork) ops.push({ op: 'cgroup', target: '/sys/fs/cgroup' }, ...OWN_NETWORK)
  for (const [path, text] of Object.entries(spec.sysctls ?? {}))
    ops.push({ op: 'write', path: `/proc/sys/${path}`, text })
  ops.push(textFile('/etc/hostname', `${spec.hostname}\n`))
  if (spec.hosts !== undefined) ops.push(textFile('/etc/hosts', spec.hosts))
  if (spec.resolvConf !== undefined) ops.push(textFile('/etc/resolv.conf', spec.resolvConf))
  ops.push(...[...spec.mounts].sort((a, b) => depth(a) - depth(b)))
  if (spec.cwd) ops.push({ op: 'mkdir', mode: 0o755, ...spec.cwd })
  ops.push(
    { op: 'mask', paths: spec.masked ?? maskedPaths() },
    { op: 'readonly', paths: spec.readonlyPaths ?? READONLY },
  )
  if (spec.readonlyRoot) ops.push({ op: 'readonly', paths: ['/'] })
  for (const path of spec.read ?? []) ops.push({ op: 'read', path, maxBytes: READ_MAX })
  const { shared, join, processes, cgroup } = spec
  const network = ownNetwork ? 'own' : 'host'
  return { root: `${spec.stub}/${ROOT_PLACE}`, network, shared, join, processes, cgroup, ops }
}

/**
 * Mount points that the stub directory should have below it, so that mounting leaves no trace in the upper: paths
 * relative to it, directories before what is in them. What a bind's source is, file or directory, is looked up; where
 * it can't be known, the helper makes the mount point and takes it away.
 */
export function stubEntries(mounts: readonly ContainerMount[]): { path: string; type: 'dir' | 'file' }[] {
  const found = new Map<string, 'dir' | 'file'>()
  for (const path of BASE_STUBS) found.set(path, 'dir')
  for (const path of BASE_FILES) found.set(path, 'file')
  for (const mount of mounts) {
    const names = relativeToRoot(mount.target).split('/')
    if (names[0] === '' || BASE_STUBS.slice(0, 3).includes(names[0]!)) continue
    const type = typeOf(mount)
    const dirs = type === 'dir' ? names.length : names.length - 1
    for (let n = 1; n <= dirs; n++) put(found, names.slice(0, n).join('/'), 'dir')
    if (type === 'file') put(found, names.join('/'), 'file')
  }
  const entries = [...found].map(([path, type]) => ({ path, type }))
  // A mount below another file's target can't be; the helper says so, with the paths.
  return entries.filter((e) => !entries.some((o) => o.type === 'file' && e.path.startsWith(`${o.path}/`)))
}

function put(found: Map<string, 'dir' | 'file'>, path: string, type: 'dir' | 'file'): void {
  if (!found.has(path)) found.set(path, type)
}

function typeOf(mount: ContainerMount): 'dir' | 'file' | undefined {
  if (mount.op !== 'bind') return mount.op === 'tmpfs' ? 'dir' : 'file'
  if (!('path' in mount.source)) return undefined
  try {
    return statSync(`${mount.source.path}/${mount.sub ?? ''}`.replace(/\/+$/, '') || '/').isDirectory() ? 'dir' : 'file'
  } catch {
    return undefined
  }
}
