import type { ResourceRequest } from '../../engine/run/resources/request.js'
import { flag, text, type Values } from '../command.js'

/** Limits that can be given to a container, and changed while it runs. */
export const LIMIT_OPTIONS = {
  'blkio-weight': text('Share of disk time, 10 to 1000'),
  cpus: text('Number of processors that it may use, as 1.5'),
  'cpu-period': text('Length of a period of processor time, in microseconds'),
  'cpu-quota': text('Processor time in each period, in microseconds'),
  'cpu-shares': text('Share of processor time, 1024 is usual', 'c'),
  'cpuset-cpus': text('Processors that it may use, as 0-2,7'),
  'cpuset-mems': text('Memory nodes that it may use, as 0-1'),
  memory: text('Memory that it may use, as 512m', 'm'),
  'memory-reservation': text('Memory that is left to it when memory is short'),
  'memory-swap': text('Memory and swap that it may use together, -1 for no limit'),
  'pids-limit': text('Number of processes and threads, -1 for no limit'),
} as const

/** Those that `run` and `create` have. */
export const RESOURCE_OPTIONS = {
  ...LIMIT_OPTIONS,
  'cgroup-parent': text('Cgroup below which that of the container is made: a path, or a slice of systemd'),
  'memory-swappiness': text('Readiness to swap, 0 to 100'),
  'oom-kill-disable': flag('Do not end it when memory is short'),
} as const

type ResourceValues = Partial<Values<typeof RESOURCE_OPTIONS>>

/** What they ask for; undefined where none is given. @throws {UsageError} */
export async function resourcesOf(values: ResourceValues): Promise<ResourceRequest | undefined> {
  const keys = Object.keys(RESOURCE_OPTIONS) as (keyof ResourceValues)[]
  if (!keys.some((key) => values[key] !== undefined && values[key] !== false)) return undefined
  const { parseResources } = await import('./resources.js')
  return parseResources(values)
}
