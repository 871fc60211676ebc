import type { MonitorOptions, StepOptions } from './agent.js'
import { F, type FrameWriter } from './frames.js'
import { type OverlaySpec, type PlanOp, type ProcessSpec, RLIMITS, type StepPlan } from './plan.js'

/** Numbers of the operations, as in `enum op` of native/plan.c. */
const OPS = {
  root: 1,
  tree: 2,
  bind: 3,
  tmpfs: 4,
  proc: 5,
  sys: 6,
  dev: 7,
  cgroup: 8,
  mask: 9,
  readonly: 10,
  file: 11,
  symlink: 12,
  mkdir: 13,
  write: 14,
  hostname: 15,
  loopback: 16,
  oom: 17,
  affinity: 18,
} as const

const STDIO = { frames: 0, inherit: 1, tty: 2, log: 3, 'log-tty': 4 } as const
const NO_PATH = ''
/** Docker's size of /dev/shm. */
const SHM_BYTES = 64 * 1024 * 1024
/** A size that says that there is no /dev/shm; the writer takes it for all ones. */
const NO_SHM = Number.POSITIVE_INFINITY

type MountOp = Exclude<PlanOp, { op: 'read' }>

/** Puts a plan into a RUN frame. */
export function encodePlan(w: FrameWriter, plan: StepPlan, options: StepOptions): void {
  const { stdio } = options
  const ops = plan.ops.filter((op): op is MountOp => op.op !== 'read')
  const upper = ops.find((op) => op.op === 'root')?.upper
  w.begin(F.RUN)
    .str(plan.root)
    .str(upper ?? NO_PATH)
  w.flag(plan.network === 'own')
    .u8(STDIO[stdio.mode])
    .flag(stdio.stdin)
    .flag(options.monitored)
  encodePlace(w, plan, options.onHeld !== undefined)
  w.u32(ops.length)
  for (const op of ops) encodeOp(w.u8(OPS[op.op]), op)
  const reads = readsOf(plan)
  w.u32(reads.length)
  for (const read of reads) w.str(read.path).u32(read.maxBytes)
  w.end()
}

/** Bits of namespaces, as in native/step.h. */
const NAMESPACES = { ipc: 1, uts: 2, pid: 4, cgroup: 8, net: 16 } as const

/** `struct placement` of native/step.h. */
function encodePlace(w: FrameWriter, plan: StepPlan, held: boolean): void {
  const bitsOf = (names: readonly (keyof typeof NAMESPACES)[] = []) =>
    names.reduce((set, name) => set | NAMESPACES[name], 0)
  w.u8(bitsOf(plan.shared))
    .u8(bitsOf(plan.join?.namespaces))
    .u32(plan.join?.pid ?? 0)
    .flag(held)
  w.u64(plan.processes ?? 0)
    .str(plan.cgroup ?? NO_PATH)
    .flag(plan.foreign)
}

/** The `read` ops of a plan, in the order in which the helper numbers them. */
export function readsOf(plan: StepPlan): Extract<PlanOp, { op: 'read' }>[] {
  return plan.ops.filter((op): op is Extract<PlanOp, { op: 'read' }> => op.op === 'read')
}

function encodeOverlay(w: FrameWriter, spec: OverlaySpec): void {
  // overlayfs takes the topmost first, and no directory twice (ELOOP): of a layer that comes again, as that of two steps
  // that change nothing does, only the topmost can be seen.
  w.strings([...new Set([...spec.layers].reverse())])
    .str(spec.upper ?? NO_PATH)
    .str(spec.work ?? NO_PATH)
}

function encodeOp(w: FrameWriter, op: MountOp): void {
  switch (op.op) {
    case 'root':
    case 'tree':
      encodeOverlay(w, op)
      return
    case 'bind':
      w.str('path' in op.source ? op.source.path : NO_PATH).u32('tree' in op.source ? op.source.tree : 0)
      w.str(op.sub ?? NO_PATH).str(op.target)
      w.flag(op.readonly)
        .flag(op.recursive ?? true)
        .flag(op.optional)
        .flag(op.follows)
        .u32(bindAttributes(op))
      w.flag(op.own !== undefined)
        .u32(op.own?.mode ?? 0)
        .u32(op.own?.uid ?? 0)
        .u32(op.own?.gid ?? 0)
      return
    case 'tmpfs':
      w.str(op.target)
        .u64(op.sizeBytes ?? 0)
        .u32(op.mode ?? 0o1777)
      w.u32(op.uid ?? 0)
        .u32(op.gid ?? 0)
        .flag(op.noexec)
      return
    case 'dev':
      w.str(op.target).u64(op.shmSizeBytes === 'none' ? NO_SHM : (op.shmSizeBytes ?? SHM_BYTES))
      return
    case 'mask':
    case 'readonly':
      w.strings(op.paths)
      return
    case 'file':
      w.str(op.target).blob(op.content).u32(op.mode).u32(op.uid).u32(op.gid).flag(op.readonly)
      return
    case 'symlink':
      w.str(op.path).str(op.text)
      return
    case 'mkdir':
      w.str(op.path).u32(op.mode).u32(op.uid).u32(op.gid)
      return
    case 'write':
      w.str(op.path).str(op.text).flag(op.optional)
      return
    case 'hostname':
      w.str(op.name)
      return
    case 'loopback':
      return
    case 'sys':
      w.str(op.target).flag(op.writable)
      return
    case 'affinity':
      w.blob(op.mask)
      return
    case 'oom':
      w.u32(op.score >>> 0)
      return
    default:
      w.str(op.target)
  }
}

/** MOUNT_ATTR_* bits. @see mount_setattr(2) */
function bindAttributes(op: Extract<PlanOp, { op: 'bind' }>): number {
  return (op.nosuid ? 2 : 0) | (op.nodev ? 4 : 0) | (op.noexec ? 8 : 0)
}

/** Bits of the console in a MONITOR frame. */
const CONSOLE = { joined: 1, stdin: 2, stdout: 4, stderr: 8 } as const

/** Puts what a monitor is told into a MONITOR frame. */
export function encodeMonitor(w: FrameWriter, { folder, inputOnce, log, console: joined }: MonitorOptions): void {
  w.begin(F.MONITOR)
    .str(folder)
    .flag(inputOnce)
    .flag(log === undefined)
    .u64(log?.maxBytes ?? 0)
    .u32(log?.files ?? 1)
    .str(log?.attributes ? `"attrs":${JSON.stringify(log.attributes)},` : '')
    .u8(
      joined
        ? CONSOLE.joined |
            (joined.stdin ? CONSOLE.stdin : 0) |
            (joined.stdout ? CONSOLE.stdout : 0) |
            (joined.stderr ? CONSOLE.stderr : 0)
        : 0,
    )
    .blob(joined?.detachKeys ?? new Uint8Array())
    .end()
}

/** Puts a process into an EXEC frame. */
export function encodeProcess(w: FrameWriter, p: ProcessSpec): void {
  putProcess(w.begin(F.EXEC), p).end()
}

/** Puts a process into the frame under way. */
export function putProcess(w: FrameWriter, p: ProcessSpec): FrameWriter {
  w.strings(p.args).strings(p.env).str(p.cwd).u32(p.uid).u32(p.gid)
  w.u32(p.groups.length)
  for (const gid of p.groups) w.u32(gid)
  w.u32(bits(p.capabilities, 0)).u32(bits(p.capabilities, 32))
  w.flag(p.noNewPrivileges)
    .flag(p.ownKeyring)
    .u32(p.umask ?? 0o022)
  w.u32(p.rlimits?.length ?? 0)
  for (const r of p.rlimits ?? []) w.u32(RLIMITS[r.resource]).u64(r.soft).u64(r.hard)
  w.u8(p.emulate === 'no-stat' ? 2 : p.emulate === 'errno' ? 3 : p.emulate ? 1 : 0).blob(p.seccomp ?? new Uint8Array())
  return w.u32(p.size?.columns ?? 0).u32(p.size?.rows ?? 0)
}

/** The 32 bits of a set from number `from` on. */
function bits(numbers: readonly number[], from: number): number {
  return numbers.reduce((set, n) => (n >= from && n < from + 32 ? set | (1 << (n - from)) : set), 0)
}
