/** Volumes, the build cache, and the machine. */
import type { DoctorFact } from '../../rootless/doctor-fact.js'
import type { CacheUsage } from '../../store/usage.js'
import type { DiskUsage } from './disk-usage.js'

/** A named volume. */
export interface VolumeSummary {
  name: string
  /** Id mode in which its files are owned. */
  mode: string
  /** Folder of this machine. */
  mountpoint: string
}

export interface VolumeEngine {
  list(): Promise<VolumeSummary[]>
  /** Removes volumes that no container uses, in every id mode. @returns their names */
  remove(names: readonly string[], options: { force: boolean }): Promise<string[]>
}

export interface SystemEngine {
  /** Removes stopped containers, unused images (`all`: every image no container uses), build cache, leftovers. */
  prune(request: SystemPruneRequest): Promise<{ deleted: string[]; reclaimedBytes: number }>
  /** What takes how much room. */
  usage(): Promise<DiskUsage>
  /**
   * Kills all containers and removes everything of the store.
   *
   * @returns how many ran; names in its folder that are not tsbox's, and stay
   * @throws TsboxError E_STORE_BUSY, E_STORE_LEFT
   */
  reset(): Promise<{ stopped: number; kept: string[] }>
  info(): Promise<SystemInfo>
  /** Runs a program of this machine inside the id mapping, with this process's streams. @returns its exit code */
  unshare(request: UnshareRequest): Promise<number>
}

export interface UnshareRequest {
  /** Empty: the user's shell. */
  command: readonly string[]
  userns: 'auto' | 'subid' | 'single'
}

/** What is known of the store and of this machine. */
export interface SystemInfo {
  containers: { total: number; running: number; paused: number; stopped: number }
  images: number
  /** Folder of the store. */
  root: string
  hostname: string
  kernel: string
  operatingSystem: string
  /** As `uname -m`. */
  machine: string
  cpus: number
  memoryBytes: number
  cgroupVersion: '1' | '2'
  /** The best id mode that this user has the means for. */
  userns: 'subid' | 'single'
}

/** Which unused things go. */
export interface SystemPruneRequest {
  all: boolean
  /** `until` (milliseconds since 1970), `label`, `label!`. */
  filters: Readonly<Record<string, readonly string[]>>
}

/** Which pieces of the build cache are meant: all conditions must hold. */
export interface CacheFilter {
  /** What was not used for that long. */
  untilMs?: number | undefined
  /** Each must find something in the piece. */
  id: readonly RegExp[]
  description: readonly RegExp[]
  type: readonly string[]
  flags: readonly { name: 'inUse' | 'mutable' | 'shared'; value: boolean }[]
}

export interface BuilderEngine {
  /** The most lately used first. */
  usage(filter: CacheFilter): Promise<CacheUsage[]>
  /**
   * Removes pieces of the build cache, the longest unused first; limits in bytes. What a running build has stays.
   *
   * @returns what went, and the bytes that the disk has more
   */
  prune(request: {
    /** Also what images share, and what only leads to results. */
    all: boolean
    filter: CacheFilter
    reservedBytes?: number | undefined
    maxUsedBytes?: number | undefined
    minFreeBytes?: number | undefined
  }): Promise<{ pruned: CacheUsage[]; reclaimedBytes: number }>
}

export interface DoctorReport {
  facts: DoctorFact[]
  /** What tsbox will use. */
  modes: { userns: 'subid' | 'single' | 'none'; backend: 'namespace' | 'wasi'; network: string }
}
