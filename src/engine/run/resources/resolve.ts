import { readFileSync } from 'node:fs'
import { TsboxError } from '../../../base/error.js'
import { type Controller, controllerOf, type Limits, parseCpuList } from '../../../rootless/cgroup/limits.js'
import { type CgroupManager, findManager, hintFor } from '../../../rootless/cgroup/manager.js'
import { checkResources, type Machine } from './check.js'
import type { ResourceRequest } from './request.js'

/** Limits that a container really gets, the same whenever it starts. */
export interface Resources {
  /** Given by a cgroup. */
  limits: Limits
  /** Cgroup below which it is made. */
  parent?: string | undefined
  /** Most processes, kept by a user namespace of the container's own: where no cgroup can count them. */
  processes?: number | undefined
  /** Processors that its first process starts on: where no cgroup can keep it there. */
  processors?: readonly number[] | undefined
}

/** What docker calls a limit that it can't keep, and discards; the others are refused or have something in their place. */
const DISCARDED: Partial<Readonly<Record<keyof Limits, string>>> = {
  memoryBytes: 'memory limit',
  memorySwapBytes: 'swap limit',
  memoryReservationBytes: 'memory reservation',
  cpuQuotaUs: 'CPU quota',
  cpuPeriodUs: 'CPU period',
  cpuShares: 'CPU shares',
  cpusetMems: 'cpuset of memory nodes',
  blkioWeight: 'block I/O weight',
}

/**
 * Checks limits, and divides them into those that this machine can keep and those that it can't: docker discards most
 * of these with a warning, and refuses `--cpus`.
 *
 * @param before limits that hold already, where some are changed
 * @returns undefined where nothing is asked for
 * @throws TsboxError E_LIMIT, E_CGROUP, exit code 125
 */
export async function resolveResources(
  request: ResourceRequest | undefined,
  env: Readonly<Record<string, string | undefined>>,
  warn: (message: string) => void,
  before?: Limits,
): Promise<Resources | undefined> {
  if (!request) return undefined
  const wanted = checkResources(request, machine(), before)
  warnOfOld(request, warn)
  const manager = await findManager({ env, parent: request.cgroupParent, systemd: true })
  try {
    return divide(wanted, request, manager, warn)
  } finally {
    manager?.close()
  }
}

function divide(
  wanted: Limits,
  request: ResourceRequest,
  manager: CgroupManager | undefined,
  warn: (message: string) => void,
): Resources {
  const out: Resources = { limits: {}, parent: request.cgroupParent }
  const discarded = new Map<Controller, string[]>()
  for (const key of Object.keys(wanted) as (keyof Limits)[]) {
    if (wanted[key] === undefined) continue
    const controller = controllerOf(key)
    if (manager?.controllers.has(controller)) Object.assign(out.limits, { [key]: wanted[key] })
    else if (key === 'pids') out.processes = wanted.pids! < 0 ? undefined : wanted.pids
    else if (key === 'cpusetCpus') out.processors = parseCpuList(wanted.cpusetCpus!)
    else if (key === 'cpuQuotaUs' && request.cpus) throw noCpus(manager)
    else discarded.set(controller, [...(discarded.get(controller) ?? []), DISCARDED[key]!])
  }
  if (out.processors)
    warn(
      `there is no cpuset controller: programs of the container start on processors ${wanted.cpusetCpus}, and can leave them; ${hintFor('cpuset', manager)}`,
    )
  for (const [controller, names] of discarded)
    warn(`there is no ${controller} controller: ${names.join(', ')} discarded; ${hintFor(controller, manager)}`)
  return out
}

function noCpus(manager: CgroupManager | undefined): TsboxError {
  return new TsboxError('E_LIMIT', 'NanoCPUs can not be set: there is no cpu controller for this user', {
    exitCode: 125,
    hint: `${hintFor('cpu', manager)}; or keep it to some processors with --cpuset-cpus`,
  })
}

/** Limits that cgroup v2 does not have. */
function warnOfOld({ memorySwappiness, oomKillDisable }: ResourceRequest, warn: (message: string) => void): void {
  if (memorySwappiness !== undefined && memorySwappiness >= 0)
    warn('cgroup v2 has no memory swappiness: memory swappiness discarded')
  if (oomKillDisable) warn('cgroup v2 has no way to disable the OOM killer: OomKillDisable discarded')
}

/** @param status content of /proc/self/status */
export function machine(status: string = readFileSync('/proc/self/status', 'utf8')): Machine {
  const list = (key: string) => parseCpuList(new RegExp(`^${key}:\\s*(\\S+)$`, 'm').exec(status)?.[1] ?? '') ?? [0]
  return { cpus: list('Cpus_allowed_list'), mems: list('Mems_allowed_list') }
}
