import type { EntrySink, EntrySource } from '../layer/entry.js'
import { type AgentProcess, startProcess } from './agent-process.js'
import { apply } from './apply.js'
import { errnoName } from './error.js'
import { F, Payload } from './frames.js'
import { type Lane, request } from './lane.js'
import { LanePool } from './lane-pool.js'
import type { IdExtent, IdMode, ProcessSpec, StepExit, StepPlan, StepStdio } from './plan.js'
import { startStep } from './step.js'
import { walk } from './walk.js'

/** How ids get mapped. `newidmap` runs the setuid programs, `direct` writes the maps with real root's power. */
export type IdMaps =
  | { method: 'single' }
  | { method: 'newidmap'; uids: IdExtent[]; gids: IdExtent[]; newuidmap: string; newgidmap: string }
  | { method: 'direct'; uids: IdExtent[]; gids: IdExtent[] }
  /** No user namespace at all: root of a machine only. */
  | { method: 'host' }

/** Those of a container that runs, by its first process: namespaces of the container can be entered then. */
export interface JoinedMaps {
  method: 'join'
  pid: number
  mode: IdMode
}

export interface AgentOptions {
  /** Absolute path of the helper's executable. */
  helperPath: string
  mode: IdMode
  maps: IdMaps | JoinedMaps
  /** Requests that may be under way at once, running steps included (default 12). */
  lanes?: number | undefined
  /** Process id of a helper that may still run: where it has the same program, that is not copied to memory again. */
  living?: number | undefined
}

/** A file to read: `path` is relative to `root`, no link of it is followed. */
export interface FileRef {
  root: string
  path: string
}

export interface StepOptions {
  stdio: StepStdio
  /** Output of a step with stdio `frames`; a chunk is only valid during the call. */
  onOutput?: ((stream: 'stdout' | 'stderr', chunk: Uint8Array) => void) | undefined
  /** Lets {@link Step.monitor} be called. */
  monitored?: boolean | undefined
  /**
   * Called with the pid of the step's first process before anything is mounted; the step goes on when that settles, in
   * a cgroup namespace of the cgroup that it is in then.
   */
  onHeld?: ((pid: number) => Promise<void>) | undefined
  /** Aborting kills the step. */
  signal?: AbortSignal | undefined
}

/** How a payload started. */
export interface StepStart {
  /**
   * Ids were to be emulated, but no seccomp listener could be had (tsbox inside a step of tsbox, or no such kernel):
   * changes of ids and owners succeed and have no effect. Worth a warning.
   */
  idsFaked: boolean
}

/** A container's log: see `joblog.c` of the helper. */
export interface LogSpec {
  /** A file of so many bytes is full; undefined is never. */
  maxBytes?: number | undefined
  /** How many files are kept. */
  files: number
  /** Members of each line's object beside its own. */
  attributes?: Readonly<Record<string, string>> | undefined
}

export interface MonitorOptions {
  /** The container's, absolute. */
  folder: string
  /** The payload's input ends with that of the first who is attached. */
  inputOnce?: boolean | undefined
  /** Undefined: none is kept. */
  log?: LogSpec | undefined
  /**
   * Joins this process's standard streams to the payload's; for the stdio `log` and `log-tty`. The payload lives on
   * where this process dies.
   */
  console?: ConsoleSpec | undefined
}

export interface ConsoleSpec {
  stdin: boolean
  stdout: boolean
  stderr: boolean
  /** Typed in this order they leave a container with a terminal; at most 64. */
  detachKeys: Uint8Array
}

/** A container whose mounts stand, waiting for its process. */
export interface Step {
  /**
   * No pid namespace could be made: processes of this user are seen in it, and where the kernel has no Landlock (before
   * Linux 6.12) can be signalled. Worth a warning.
   */
  readonly sharesPids: boolean
  /** No host name of its own could be given (a filter around tsbox): `uname -n` tells that of this machine. */
  readonly keepsHostname: boolean
  /** Contents of the files that the plan's `read` ops found, by the path asked for. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** Its processes are in a pid namespace with others, and can't be stopped all at once. */
  readonly amongOthers: boolean
  /** Starts the payload; settles once it is executing. @throws {HelperError} stages `exec`, `chdir`, `user`, … */
  exec(process: ProcessSpec): Promise<StepStart>
  /** Stdin of stdio `frames`; settles when the payload took it (or closed its end: then the rest is dropped). */
  writeStdin(chunk: Uint8Array): Promise<void>
  endStdin(): void
  /**
   * Opens the control socket (`control`, see control.ts) in a folder, and with the stdio `log` or `log-tty` the log in
   * it; before {@link exec}. The file `exit.json` will tell how a logged payload ended.
   *
   * @returns pid of the process that watches over the payload
   */
  monitor(options: MonitorOptions): Promise<number>
  /** The monitor's folder is renamed to this absolute path and removed when the payload ends; '' leaves it. */
  discardTo(trash: string): void
  /**
   * Lets the payload and its monitor live on when the helper ends. This step is over then: only its control socket
   * leads to it.
   *
   * @returns false where the payload has ended before that
   */
  detach(): Promise<boolean>
  /** Settles when the keys of {@link MonitorOptions.console} were typed; the step is over then, as after {@link detach}. */
  readonly left: Promise<void>
  signal(number: number): void
  resize(columns: number, rows: number): void
  /** How the payload ended, after all of its output. Rejects if the helper dies, or when the step was killed. */
  readonly exit: Promise<StepExit>
  /** Ends a step whose payload was not started; settles when its mounts are gone. */
  finish(): Promise<void>
  /** Ends the step and all of its processes at once; settles when they are gone. Idempotent. */
  kill(): Promise<void>
}

/** What one probe found: errno name, or '' for success. */
export interface ProbeResult {
  stage: string
  errno: string
}

/** The helper, inside its user namespace: does what needs mapped ids. Many requests may be under way at once. */
export interface AgentApi {
  readonly mode: IdMode
  /** Pushes what is below `dir` (an overlay upper or a snapshot) into `sink`, in layer order; not `dir` itself. */
  walk(dir: string, options: { content: boolean }, sink: EntrySink): Promise<void>
  /** Writes entries below the existing directory `dir`, never outside of it. After failure `dir` is half written. */
  apply(dir: string, source: EntrySource): Promise<void>
  /** Removes trees, whatever their modes and owners. Absent paths are fine; links are removed, not followed. */
  remove(paths: readonly string[]): Promise<void>
  /** Streams files in order; `onFile` comes before the data of each. @throws {HelperError} for the first that fails */
  read(files: readonly FileRef[], onFile: (index: number) => void, onData: (chunk: Uint8Array) => void): Promise<void>
  startStep(plan: StepPlan, options: StepOptions): Promise<Step>
  /** Tries what steps need, each thing for itself, with `dir` (existing, writable) as scratch space. */
  probe(dir: string): Promise<ProbeResult[]>
  /** Ends the helper and everything that it runs; settles when it is gone. Idempotent. */
  close(): Promise<void>
}

/** {@link AgentApi} over the helper's process. It keeps Node alive only while a request is under way. */
export class Agent implements AgentApi {
  readonly mode: IdMode
  private readonly process: AgentProcess
  private readonly pool: LanePool

  private constructor(mode: IdMode, process: AgentProcess) {
    this.mode = mode
    this.process = process
    this.pool = new LanePool(process.lanes.slice(1))
  }

  /**
   * Starts the helper and enters its namespaces.
   *
   * @throws {HelperError} stages `user namespace`, `newidmap`, `mount propagation`, …
   */
  static async start(options: AgentOptions): Promise<Agent> {
    return new Agent(options.mode, await startProcess(options))
  }

  walk(dir: string, options: { content: boolean }, sink: EntrySink): Promise<void> {
    return this.onLane((lane) => walk(lane, dir, options, sink))
  }

  apply(dir: string, source: EntrySource): Promise<void> {
    return this.onLane((lane) => apply(lane, dir, source))
  }

  remove(paths: readonly string[]): Promise<void> {
    return this.onLane((lane) => request(lane, (w) => w.begin(F.REMOVE).strings(paths).end()))
  }

  read(files: readonly FileRef[], onFile: (index: number) => void, onData: (chunk: Uint8Array) => void): Promise<void> {
    return this.onLane((lane) =>
      request(
        lane,
        (w) => {
          w.begin(F.READ).u32(files.length)
          // An empty root says: the same as before.
          files.forEach((f, i) => {
            w.str(files[i - 1]?.root === f.root ? '' : f.root).str(f.path)
          })
          w.end()
        },
        {
          frame: (type, payload) => (type === F.FILE ? onFile(new Payload(payload).u32()) : undefined),
          data: (_type, piece) => onData(piece),
        },
      ),
    )
  }

  async startStep(plan: StepPlan, options: StepOptions): Promise<Step> {
    const lane = await this.pool.borrow()
    return startStep(lane, plan, options, () => this.pool.give(lane))
  }

  async probe(dir: string): Promise<ProbeResult[]> {
    const results: ProbeResult[] = []
    await this.onLane((lane) =>
      request(lane, (w) => w.begin(F.PROBE).str(dir).end(), {
        frame(type, payload) {
          if (type !== F.PROBED) return
          const p = new Payload(payload)
          const stage = p.str()
          results.push({ stage, errno: errnoName(p.u32()) })
        },
      }),
    )
    return results
  }

  close(): Promise<void> {
    return this.process.close()
  }

  private async onLane<T>(use: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = await this.pool.borrow()
    try {
      return await use(lane)
    } finally {
      this.pool.give(lane)
    }
  }
}
