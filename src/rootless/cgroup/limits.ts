/** Limits of a container and how cgroup v2 says them. */

/** Controllers that a limit may need. @see Documentation/admin-guide/cgroup-v2.rst, "Controllers" */
export type Controller = 'memory' | 'cpu' | 'cpuset' | 'pids' | 'io'

/** Docker's limits, checked: each is absent where nothing is asked for. */
export interface Limits {
  memoryBytes?: number | undefined
  /** Memory and swap together; -1 is no limit. */
  memorySwapBytes?: number | undefined
  memoryReservationBytes?: number | undefined
  /** Microseconds of processor time in each period. */
  cpuQuotaUs?: number | undefined
  cpuPeriodUs?: number | undefined
  /** 2 to 262144, 1024 is usual. */
  cpuShares?: number | undefined
  /** As `0-2,7`. */
  cpusetCpus?: string | undefined
  cpusetMems?: string | undefined
  /** Processes and threads; -1 is no limit. */
  pids?: number | undefined
  /** 10 to 1000, 500 is usual. */
  blkioWeight?: number | undefined
}

const CONTROLLER: Readonly<Record<keyof Limits, Controller>> = {
  memoryBytes: 'memory',
  memorySwapBytes: 'memory',
  memoryReservationBytes: 'memory',
  cpuQuotaUs: 'cpu',
  cpuPeriodUs: 'cpu',
  cpuShares: 'cpu',
  cpusetCpus: 'cpuset',
  cpusetMems: 'cpuset',
  pids: 'pids',
  blkioWeight: 'io',
}
const DEFAULT_PERIOD_US = 100_000
/** tsbox's own process of each container is in its cgroup. */
const OWN_PROCESSES = 1

/** The controller that a limit needs. */
export function controllerOf(limit: keyof Limits): Controller {
  return CONTROLLER[limit]
}

/** Those that these limits need. */
export function controllersOf(limits: Limits): Set<Controller> {
  const keys = Object.keys(limits) as (keyof Limits)[]
  return new Set(keys.filter((k) => limits[k] !== undefined).map((k) => CONTROLLER[k]))
}

/** Swap beside the memory, as cgroup v2 counts it: docker gives as much again where nothing is said. */
export function swapBytes({ memoryBytes, memorySwapBytes }: Limits): number | 'max' | undefined {
  if (memorySwapBytes === -1) return 'max'
  if (memoryBytes === undefined) return undefined
  return memorySwapBytes ? memorySwapBytes - memoryBytes : memoryBytes
}

/** cgroup v1's 2–262144 to cgroup v2's 1–10000, as runc maps them. */
export function cpuWeight(shares: number): number {
  return Math.floor(1 + ((shares - 2) * 9999) / 262142)
}

/** docker's 10–1000 to cgroup v2's 1–10000, as runc maps them. */
export function ioWeight(weight: number): number {
  return Math.floor(1 + ((weight - 10) * 9999) / 990)
}

/** Limit of tasks of a container's cgroup. */
export function tasksMax(pids: number): number | 'max' {
  return pids < 0 ? 'max' : pids + OWN_PROCESSES
}

/** Contents of a cgroup's files, in the order in which they have to be written. */
export function limitFiles(limits: Limits): [file: string, text: string][] {
  const out: [string, string][] = []
  const put = (file: string, value: number | string | undefined) => {
    if (value !== undefined) out.push([file, String(value)])
  }
  put('memory.max', limits.memoryBytes)
  put('memory.swap.max', swapBytes(limits))
  put('memory.low', limits.memoryReservationBytes)
  if (limits.cpuQuotaUs !== undefined || limits.cpuPeriodUs !== undefined)
    put('cpu.max', `${limits.cpuQuotaUs ?? 'max'} ${limits.cpuPeriodUs ?? DEFAULT_PERIOD_US}`)
  if (limits.cpuShares !== undefined) put('cpu.weight', cpuWeight(limits.cpuShares))
  put('cpuset.cpus', limits.cpusetCpus)
  put('cpuset.mems', limits.cpusetMems)
  if (limits.pids !== undefined) put('pids.max', tasksMax(limits.pids))
  if (limits.blkioWeight !== undefined) put('io.weight', ioWeight(limits.blkioWeight))
  return out
}

/**
 * Numbers of a list as `0-2,7`.
 *
 * @returns undefined for anything else, also for a number above 8191
 */
export function parseCpuList(text: string): number[] | undefined {
  const out = new Set<number>()
  for (const part of text.split(',')) {
    const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part)
    if (!match) return undefined
    const first = Number(match[1])
    const last = Number(match[2] ?? match[1])
    if (last < first || last > 8191) return undefined
    for (let n = first; n <= last; n++) out.add(n)
  }
  return [...out].sort((a, b) => a - b)
}

/** A bit for each number, as sched_setaffinity(2) and systemd's AllowedCPUs have it. */
export function cpuMask(numbers: readonly number[]): Uint8Array {
  const mask = new Uint8Array(Math.ceil((Math.max(0, ...numbers) + 1) / 8))
  for (const n of numbers) mask[n >> 3]! |= 1 << (n & 7)
  return mask
}
