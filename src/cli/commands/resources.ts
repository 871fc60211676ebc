import { parseSize } from '../../build/dockerfile/size.js'
import type { ResourceRequest } from '../../engine/run/resources/request.js'
import { UsageError } from '../usage-error.js'

/** Texts of the options of limits, by their names. */
export type ResourceTexts = Readonly<Record<string, string | boolean | undefined>>

/** Reads limits. Whether they can be meant is the engine's to say. @throws {UsageError} for what is no number */
export function parseResources(values: ResourceTexts): ResourceRequest {
  const text = (name: string) => values[name] as string | undefined
  const whole = (name: string) => parsed(name, text(name), /^[+-]?\d{1,15}$/, 'it is no whole number')
  const bytes = (name: string) => sizeOf(name, text(name))
  return {
    blkioWeight: whole('blkio-weight'),
    cgroupParent: text('cgroup-parent'),
    cpus: parsed('cpus', text('cpus'), /^\d{0,6}(\.\d{0,9})?$/, 'it is no number of processors'),
    cpuPeriodUs: whole('cpu-period'),
    cpuQuotaUs: whole('cpu-quota'),
    cpuShares: whole('cpu-shares'),
    cpusetCpus: text('cpuset-cpus'),
    cpusetMems: text('cpuset-mems'),
    memoryBytes: bytes('memory'),
    memoryReservationBytes: bytes('memory-reservation'),
    memorySwapBytes: text('memory-swap') === '-1' ? -1 : bytes('memory-swap'),
    memorySwappiness: whole('memory-swappiness'),
    oomKillDisable: values['oom-kill-disable'] === true,
    pids: whole('pids-limit'),
  }
}

function parsed(name: string, text: string | undefined, pattern: RegExp, why: string): number | undefined {
  if (text === undefined) return undefined
  if (!pattern.test(text) || Number.isNaN(Number(text)) || text === '') throw wrong(name, text, why)
  return Number(text)
}

function sizeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const bytes = parseSize(text)
  if (bytes === undefined || !Number.isSafeInteger(bytes)) throw wrong(name, text, `invalid size: '${text}'`)
  return bytes
}

function wrong(name: string, text: string, why: string): UsageError {
  return new UsageError(`invalid argument "${text}" for "--${name}" flag: ${why}`)
}
