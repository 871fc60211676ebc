import type { PlacedCgroup } from '../../rootless/cgroup/manager.js'
import type { ContainerLoad } from '../api.js'
import { readText as read } from '../run/paused.js'
import { childrenOf } from './top.js'

/** What a container has used up to now, and what it holds. */
export type Sample = Omit<ContainerLoad, 'id' | 'name' | 'cpuPercent'> & {
  cpuMicroseconds: number
  /** Milliseconds of a clock that only goes forward. */
  at: number
}

/** User HZ is 100 on every machine that Node runs on. @see time(7) */
const TICK_US = 10_000

/**
 * Measures a container by its cgroup, as far as that counts, else by its processes.
 *
 * @param init pid of its first process
 * @param ownNetwork it has a network of its own
 */
export function sampleOf(init: number, cgroup: PlacedCgroup | undefined, ownNetwork: boolean): Sample {
  const pids = [init, ...descendants(init)]
  const dir = cgroup?.dir
  const memory = dir === undefined ? undefined : cgroupMemory(dir)
  const total = totalMemory()
  const limit = memory?.limit ?? Number.POSITIVE_INFINITY
  return {
    at: performance.now(),
    cpuMicroseconds: (dir === undefined ? undefined : cgroupCpu(dir)) ?? sum(pids, cpuOf),
    memoryBytes: memory?.used ?? sum(pids, memoryOf),
    memoryLimitBytes: Math.min(limit, total),
    ...(ownNetwork ? networkOf(init) : { receivedBytes: 0, sentBytes: 0 }),
    ...((dir === undefined ? undefined : cgroupIo(dir)) ?? ioOf(pids)),
    // tsbox's own is not the container's.
    processes: Math.max(0, sum(pids, threadsOf) - 1),
  }
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0)
}

function descendants(init: number): number[] {
  const out = childrenOf(init)
  for (let i = 0; i < out.length; i++) out.push(...childrenOf(out[i]!))
  return out
}

/** Of the process and of those of its children that have ended. @see proc_pid_stat(5) */
function cpuOf(pid: number): number {
  const fields = statOf(pid)
  return fields.slice(11, 15).reduce((total, ticks) => total + Number(ticks), 0) * TICK_US
}

function threadsOf(pid: number): number {
  return Number(statOf(pid)[17] ?? 0)
}

/** From the third field on. */
function statOf(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`)
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** What is shared counts by its part. */
function memoryOf(pid: number): number {
  const pss = /^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1]
  if (pss !== undefined) return Number(pss) * 1024
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024
}

function ioOf(pids: readonly number[]): { readBytes: number; writtenBytes: number } {
  const all = pids.map((pid) => read(`/proc/${pid}/io`))
  const count = (pattern: RegExp) => all.reduce((total, text) => total + Number(pattern.exec(text)?.[1] ?? 0), 0)
  return { readBytes: count(/^read_bytes: (\d+)$/m), writtenBytes: count(/^write_bytes: (\d+)$/m) }
}

/** All but `lo`. @see proc_pid_net(5) */
function networkOf(pid: number): { receivedBytes: number; sentBytes: number } {
  const lines = read(`/proc/${pid}/net/dev`).split('\n').slice(2)
  const counts = lines.map((l) => l.trim().split(/[:\s]+/)).filter(([name]) => name !== '' && name !== 'lo')
  const column = (n: number) => counts.reduce((total, fields) => total + Number(fields[n] ?? 0), 0)
  return { receivedBytes: column(1), sentBytes: column(9) }
}

function cgroupCpu(dir: string): number | undefined {
  const used = /^usage_usec (\d+)$/m.exec(read(`${dir}/cpu.stat`))?.[1]
  return used === undefined ? undefined : Number(used)
}

/** Without what the kernel would give up first, as docker counts. */
function cgroupMemory(dir: string): { used: number; limit: number | undefined } | undefined {
  const current = read(`${dir}/memory.current`).trim()
  if (current === '') return undefined
  const cache = Number(/^inactive_file (\d+)$/m.exec(read(`${dir}/memory.stat`))?.[1] ?? 0)
  const max = read(`${dir}/memory.max`).trim()
  return { used: Math.max(0, Number(current) - cache), limit: /^\d+$/.test(max) ? Number(max) : undefined }
}

function cgroupIo(dir: string): { readBytes: number; writtenBytes: number } | undefined {
  const text = read(`${dir}/io.stat`)
  if (text === '') return undefined
  const count = (key: string) =>
    [...text.matchAll(new RegExp(` ${key}=(\\d+)`, 'g'))].reduce((total, [, n]) => total + Number(n), 0)
  return { readBytes: count('rbytes'), writtenBytes: count('wbytes') }
}

function totalMemory(): number {
  return Number(/^MemTotal:\s+(\d+) kB$/m.exec(read('/proc/meminfo'))?.[1] ?? 0) * 1024
}
