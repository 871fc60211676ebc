import type { PlanOp, StepPlan } from './plan.js'

/** A mount beside the root. */
export type ContainerMount = Extract<PlanOp, { op: 'bind' | 'tmpfs' | 'file' }>

/** What a container with Docker's defaults is made of. */
export interface ContainerSpec {
  /** Host directories, base first. */
  layers: readonly string[]
  /** Host directories that receive changes; without them the root is read-only. */
  upper?: string | undefined
  work?: string | undefined
  /** An existing host directory of this step, used for mount points: see `stubEntries`. */
  stub: string
  mounts: readonly ContainerMount[]
  network: 'host' | 'none'
  hostname: string
  /** Contents of /etc/hosts and /etc/resolv.conf; absent ones are left as the image has them. */
  hosts?: string | undefined
  resolvConf?: string | undefined
  shmSizeBytes?: number | undefined
  /** Makes this directory when absent. */
  cwd?: { path: string; uid: number; gid: number } | undefined
  readonlyRoot?: boolean | undefined
  /** Files to hand back, as /etc/passwd and /etc/group. */
  read?: readonly string[] | undefined
}

/** Docker's default capabilities, by number. @see capabilities(7), moby oci/caps/defaults.go */
export const DEFAULT_CAPABILITIES: readonly number[] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31]

/** Plan of a container with Docker's defaults. */
export declare function containerPlan(spec: ContainerSpec): StepPlan
/**
 * Mount points that the stub directory should have below it, so that mounting leaves no trace in the upper: paths
 * relative to it, directories before what is in them.
 */
export declare function stubEntries(mounts: readonly ContainerMount[]): { path: string; type: 'dir' | 'file' }[]
