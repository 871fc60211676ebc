import { TsboxError } from '../../../base/error.js'
import { type Limits, parseCpuList } from '../../../rootless/cgroup/limits.js'
import type { ResourceRequest } from './request.js'

const MEMORY_LEAST = 6 * 1024 * 1024
const PERIOD_US = 100_000
const NO_LIMIT = -1

/** What of this machine limits are measured against. */
export interface Machine {
  /** Processors and memory nodes that this process may use, as /proc/self/status lists them. */
  cpus: readonly number[]
  mems: readonly number[]
}

/**
 * Docker's rules for limits, in docker's words; zero is no limit.
 *
 * @param before limits that hold already, where some are changed
 * @throws TsboxError E_LIMIT, exit code 125
 * @see moby, daemon/daemon_unix.go, verifyPlatformContainerResources
 */
export function checkResources(request: ResourceRequest, machine: Machine, before: Limits = {}): Limits {
  return {
    ...memoryOf(request, before),
    ...processorsOf(request, machine),
    ...setsOf(request, machine),
    ...restOf(request),
  }
}

function memoryOf(request: ResourceRequest, before: Limits): Limits {
  const memoryBytes = request.memoryBytes || undefined
  const memorySwapBytes = request.memorySwapBytes || undefined
  const memoryReservationBytes = request.memoryReservationBytes || undefined
  const memory = memoryBytes ?? before.memoryBytes
  const swap = memorySwapBytes ?? before.memorySwapBytes
  if (memoryBytes !== undefined && memoryBytes < MEMORY_LEAST) throw wrong('Minimum memory limit allowed is 6MB')
  if (memorySwapBytes !== undefined && memorySwapBytes !== NO_LIMIT && memory === undefined)
    throw wrong('You should always set the Memory limit when using Memoryswap limit, see usage')
  if (memory !== undefined && swap !== undefined && swap !== NO_LIMIT && swap < memory)
    throw wrong(
      memorySwapBytes === undefined
        ? 'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time'
        : 'Minimum memoryswap limit should be larger than memory limit, see usage',
    )
  if (memoryReservationBytes !== undefined && memoryReservationBytes < MEMORY_LEAST)
    throw wrong('Minimum memory reservation allowed is 6MB')
  if (memoryReservationBytes !== undefined && memory !== undefined && memory < memoryReservationBytes)
    throw wrong('Minimum memory limit can not be less than memory reservation limit, see usage')
  return { memoryBytes, memorySwapBytes, memoryReservationBytes }
}

function processorsOf(request: ResourceRequest, machine: Machine): Limits {
  const cpus = request.cpus || undefined
  const period = request.cpuPeriodUs || undefined
  const quota = request.cpuQuotaUs && request.cpuQuotaUs > 0 ? request.cpuQuotaUs : undefined
  const cpuShares = request.cpuShares || undefined
  if (cpus !== undefined && period !== undefined)
    throw wrong('Conflicting options: Nano CPUs and CPU Period cannot both be set')
  if (cpus !== undefined && quota !== undefined)
    throw wrong('Conflicting options: Nano CPUs and CPU Quota cannot both be set')
  const most = machine.cpus.length
  if (cpus !== undefined && (cpus < 0.01 || cpus > most))
    throw wrong(`Range of CPUs is from 0.01 to ${most}.00, as there are only ${most} CPUs available`)
  if (period !== undefined && (period < 1000 || period > 1_000_000))
    throw wrong('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)')
  if (quota !== undefined && quota < 1000) throw wrong('CPU cfs quota can not be less than 1ms (i.e. 1000)')
  if (cpuShares !== undefined && (cpuShares < 2 || cpuShares > 262144))
    throw wrong(`Range of CPU shares is from 2 to 262144: ${cpuShares}`)
  return { cpuQuotaUs: cpus === undefined ? quota : Math.round(cpus * PERIOD_US), cpuPeriodUs: period, cpuShares }
}

function setsOf(request: ResourceRequest, machine: Machine): Limits {
  return {
    cpusetCpus: setOf(request.cpusetCpus, machine.cpus, 'cpus', 'CPUs'),
    cpusetMems: setOf(request.cpusetMems, machine.mems, 'mems', 'memory nodes'),
  }
}

function setOf(text: string | undefined, there: readonly number[], name: string, what: string): string | undefined {
  if (!text) return undefined
  const numbers = parseCpuList(text)
  if (!numbers) throw wrong(`Invalid value ${text} for cpuset ${name}`)
  if (!numbers.every((n) => there.includes(n)))
    throw wrong(`Requested ${what} are not available - requested ${text}, available: ${there.join(',')}`)
  return text
}

function restOf({ pids, blkioWeight, memorySwappiness }: ResourceRequest): Limits {
  const weight = blkioWeight || undefined
  if (weight !== undefined && (weight < 10 || weight > 1000)) throw wrong('Range of blkio weight is from 10 to 1000')
  if (memorySwappiness !== undefined && (memorySwappiness < -1 || memorySwappiness > 100))
    throw wrong(`Invalid value: ${memorySwappiness}, valid memory swappiness range is 0-100`)
  return { pids: pids === undefined || pids === 0 ? undefined : pids < 0 ? NO_LIMIT : pids, blkioWeight: weight }
}

function wrong(why: string): TsboxError {
  return new TsboxError('E_LIMIT', why, { exitCode: 125 })
}
