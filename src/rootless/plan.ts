/**
 * What a step's namespace is made of: an ordered plan that the helper executes, and the process that runs in it.
 * TypeScript decides everything here; the helper only does it.
 */

/** How ids are mapped: ranges from /etc/subuid through newuidmap, or the user's one id. */
export type IdMode = 'subid' | 'single'

/** One extent of a uid_map: `count` ids from `inside` on are the ids from `outside` on. @see user_namespaces(7) */
export interface IdExtent {
  inside: number
  outside: number
  count: number
}

/** Directories stacked by overlayfs, base first; without `upper` (and its `work`) the result is read-only. */
export interface OverlaySpec {
  layers: readonly string[]
  upper?: string | undefined
  work?: string | undefined
}

/** Where a bind mount takes its source: a host path (links followed), or the n-th `tree` op of the plan. */
export type BindSource = { path: string } | { tree: number }

/**
 * One operation, executed in order in the new mount namespace before the pivot. Every `target` and `path` is a path of
 * the container: links in it are followed as if the root were `/`, so that none leads out. Missing mount points are
 * made for the step and taken away after it.
 */
export type PlanOp =
  /** Mounts the root itself. Exactly one per plan, before all ops with a target. */
  | ({ op: 'root' } & OverlaySpec)
  /** Mounts a stack aside, for later binds to take from; trees are numbered from 0. */
  | ({ op: 'tree' } & OverlaySpec)
  | {
      op: 'bind'
      source: BindSource
      /** Path within the source, resolved without leaving it. */
      sub?: string | undefined
      target: string
      readonly?: boolean | undefined
      /** With the mounts below the source (default true). */
      recursive?: boolean | undefined
      /** Skips the op where the source does not exist. */
      optional?: boolean | undefined
      /** What the host mounts below the source later on appears in the container, too. */
      follows?: boolean | undefined
      nosuid?: boolean | undefined
      nodev?: boolean | undefined
      noexec?: boolean | undefined
      /**
       * Owner and permission bits that the source gets before, for what was made for this step. With one mapped id the
       * owner stays: every process of the step is the same user.
       */
      own?: { mode: number; uid: number; gid: number } | undefined
    }
  | {
      op: 'tmpfs'
      target: string
      sizeBytes?: number | undefined
      mode?: number | undefined
      uid?: number | undefined
      gid?: number | undefined
      noexec?: boolean | undefined
    }
  /** procfs of the new pid namespace; where the kernel refuses (masked /proc), the host's. */
  | { op: 'proc'; target: string }
  /** sysfs, read-only unless `writable`: fresh with an own network namespace, else the host's. */
  | { op: 'sys'; target: string; writable?: boolean | undefined }
  /** A tmpfs with the usual nodes, links, pts, shm and mqueue; with a console if the step has a terminal. */
  | { op: 'dev'; target: string; shmSizeBytes?: number | 'none' | undefined }
  /** cgroup2, read-only, where the kernel lets us. */
  | { op: 'cgroup'; target: string }
  /** Hides paths: a file behind /dev/null, a directory behind an empty one. Absent paths are skipped. */
  | { op: 'mask'; paths: readonly string[] }
  /** Makes paths read-only. Absent paths are skipped. `/` makes the root's own mount read-only. */
  | { op: 'readonly'; paths: readonly string[] }
  /** A file that lives in memory, mounted over `target`. */
  | {
      op: 'file'
      target: string
      content: Uint8Array
      mode: number
      uid: number
      gid: number
      readonly?: boolean | undefined
    }
  | { op: 'symlink'; path: string; text: string }
  /** Makes a directory in the root that stays, with missing parents (0755, root). Nothing happens where one exists. */
  | { op: 'mkdir'; path: string; mode: number; uid: number; gid: number }
  /** Writes into an existing file (sysctls below /proc/sys); `optional` ignores failure. */
  | { op: 'write'; path: string; text: string; optional?: boolean | undefined }
  | { op: 'hostname'; name: string }
  /** The readiness of all processes to be ended when memory is short, -1000 to 1000. @see proc(5), oom_score_adj */
  | { op: 'oom'; score: number }
  /** Processors to start on, a bit each; a program can choose others. @see sched_setaffinity(2) */
  | { op: 'affinity'; mask: Uint8Array }
  /** Brings up `lo` of an own network namespace. */
  | { op: 'loopback' }
  /** Reads a file once everything is mounted: `Step.files` has its first `maxBytes` bytes, or lacks it. */
  | { op: 'read'; path: string; maxBytes: number }

/** A namespace of the host's that a step can be in. */
export type SharedNamespace = 'ipc' | 'uts' | 'pid' | 'cgroup' | 'net'
/** A namespace of another container that a step can be in. */
export type JoinedNamespace = 'ipc' | 'uts' | 'pid' | 'net'

/** A container to be: its namespaces and its mounts. */
export interface StepPlan {
  /** An existing host directory, on which the root is mounted inside the step's namespace only. */
  root: string
  /** `own` makes a network namespace. */
  network: 'host' | 'own'
  /** Namespaces of the host's that are not made anew. */
  shared?: readonly SharedNamespace[] | undefined
  /** Namespaces of another container, whose user namespace the helper was started in; with `ipc` comes its /dev/shm. */
  join?: { pid: number; namespaces: readonly JoinedNamespace[] } | undefined
  /** Most processes of the step, tsbox's own included: it gets a user namespace of its own, which counts them. */
  processes?: number | undefined
  /** Directory of a cgroup that is removed when the step has ended. */
  cgroup?: string | undefined
  /**
   * The root is mounted on `root` and not entered: the payload is another container runtime, sees the host's files, and
   * has no namespaces of its own but those of mounts and processes.
   */
  foreign?: boolean | undefined
  ops: readonly PlanOp[]
}

/** Where the payload's 0, 1, 2 lead. With `stdin` false, 0 is /dev/null (with a terminal: it gets no input). */
export interface StepStdio {
  /**
   * `frames`: through `StepOptions.onOutput`; `inherit`: this process's own; `tty`: a terminal joined to this process's;
   * `log` and `log-tty`: the monitor's, see `Step.monitor`.
   */
  mode: 'frames' | 'inherit' | 'tty' | 'log' | 'log-tty'
  stdin: boolean
}

/** A resource limit of the payload. `Infinity` is RLIM_INFINITY. @see setrlimit(2) */
export interface Rlimit {
  resource: RlimitName
  soft: number
  hard: number
}

/** RLIMIT_ names as Docker's `--ulimit` has them, by number. @see getrlimit(2) */
export const RLIMITS = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
} as const
export type RlimitName = keyof typeof RLIMITS

/**
 * Less than the whole emulation. `no-stat` records owners but leaves the stat family to the kernel: every file looks like
 * root's. `errno` lets changes of ids and owners succeed, and does nothing: every file is root's.
 */
export type IdEmulation = 'no-stat' | 'errno'

/** The process that a step executes. Everything is resolved: ids are numbers, the environment is complete. */
export interface ProcessSpec {
  /** Not empty. `args[0]` without a slash is looked up in the PATH of `env`, inside the root. */
  args: readonly string[]
  /** `K=V`. */
  env: readonly string[]
  /** Absolute. */
  cwd: string
  uid: number
  gid: number
  /** Supplementary groups. */
  groups: readonly number[]
  /** Numbers of the capabilities in the bounding set (and, for uid 0, in force). @see capabilities(7) */
  capabilities: readonly number[]
  noNewPrivileges: boolean
  /** Leaves the caller's session keyring for an empty one. It counts against the user's quota. @see keyrings(7) */
  ownKeyring?: boolean | undefined
  /** Default 0o022. */
  umask?: number | undefined
  rlimits?: readonly Rlimit[] | undefined
  /**
   * Answer id and owner calls as if all ids were mapped; `single` mode only. Less than that is faster, see
   * {@link IdEmulation}.
   */
  emulate?: boolean | IdEmulation | undefined
  /** A seccomp program (array of struct sock_filter, native byte order). @see seccomp(2) */
  seccomp?: Uint8Array | undefined
  /** First size of the terminal. */
  size?: { columns: number; rows: number } | undefined
}

/** How a payload ended: exactly one of the two. */
export interface StepExit {
  code?: number | undefined
  signal?: number | undefined
}
