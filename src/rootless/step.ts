import type { MonitorOptions, Step, StepOptions, StepStart } from './agent.js'
import { HelperError } from './error.js'
import { F, FrameWriter, Payload } from './frames.js'
import { decodeError, type Lane, type LaneHandler } from './lane.js'
import type { ProcessSpec, StepExit, StepPlan } from './plan.js'
import { encodeMonitor, encodePlan, encodeProcess, readsOf } from './plan-codec.js'

/** Stdin goes in pieces of at most this many bytes, each awaited. */
const STDIN_PIECE = 64 * 1024

/** Bits of READY. @see native/step.h */
const READY_SHARES_PIDS = 1
const READY_KEEPS_HOSTNAME = 2
const READY_AMONG_OTHERS = 4

interface Deferred<T> {
  promise: Promise<T>
  resolve(value: T): void
  reject(err: unknown): void
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void
  let reject!: (err: unknown) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  // Who does not ask is not told: `exec` may have reported the same failure.
  promise.catch(() => {})
  return { promise, resolve, reject }
}

/** A step over one lane. Made by {@link startStep}. */
class LaneStep implements Step, LaneHandler {
  readonly files = new Map<string, Uint8Array>()
  sharesPids = false
  keepsHostname = false
  amongOthers = false
  private readonly lane: Lane
  private readonly options: StepOptions
  private readonly reads: string[]
  private readonly release: () => void
  private readonly isReady = deferred<void>()
  private readonly isStarted = deferred<StepStart>()
  private readonly hasEnded = deferred<StepExit>()
  private readonly hasLeft = deferred<void>()
  private over = false
  /** Why the init was not let go on. */
  private refused: unknown
  private acknowledged: (() => void) | undefined
  private answered: Deferred<Payload> | undefined
  private input: Promise<void> = Promise.resolve()

  constructor(lane: Lane, plan: StepPlan, options: StepOptions, release: () => void) {
    this.lane = lane
    this.options = options
    this.release = release
    this.reads = readsOf(plan).map((op) => op.path)
    lane.attach(this)
    this.send((w) => encodePlan(w, plan, options))
    options.signal?.addEventListener('abort', this.abort)
  }

  get exit(): Promise<StepExit> {
    return this.hasEnded.promise
  }

  get left(): Promise<void> {
    return this.hasLeft.promise
  }

  get ready(): Promise<void> {
    return this.isReady.promise
  }

  exec(process: ProcessSpec): Promise<StepStart> {
    this.send((w) => encodeProcess(w, process))
    return this.isStarted.promise
  }

  writeStdin(chunk: Uint8Array): Promise<void> {
    this.input = this.input.then(async () => {
      for (let at = 0; at < chunk.length && !this.over; at += STDIN_PIECE) {
        await new Promise<void>((done) => {
          this.acknowledged = done
          this.send((w) =>
            w
              .begin(F.STDIN)
              .bytes(chunk.subarray(at, at + STDIN_PIECE))
              .end(),
          )
        })
      }
    })
    return this.input
  }

  endStdin(): void {
    this.input = this.input.then(() => this.send((w) => w.begin(F.STDIN_EOF).end()))
  }

  async monitor(options: MonitorOptions): Promise<number> {
    return (await this.ask((w) => encodeMonitor(w, options))).u32()
  }

  discardTo(trash: string): void {
    this.send((w) => w.begin(F.TRASH).str(trash).end())
  }

  async detach(): Promise<boolean> {
    const answer = this.ask((w) => w.begin(F.DETACH).end())
    // It may have ended before it was asked: then there is an exit, and no answer.
    const left = await answer.then(
      () => true,
      () => this.exit.then(() => false),
    )
    if (left) this.end(undefined, new HelperError('step', 'ECANCELED', 'detached'))
    return left
  }

  signal(number: number): void {
    this.send((w) => w.begin(F.SIGNAL).u32(number).end())
  }

  resize(columns: number, rows: number): void {
    this.send((w) => w.begin(F.RESIZE).u32(columns).u32(rows).end())
  }

  async finish(): Promise<void> {
    this.send((w) => w.begin(F.END).end())
    await this.exit.catch(() => {})
  }

  async kill(): Promise<void> {
    this.send((w) => w.begin(F.KILL).end())
    await this.exit.catch(() => {})
  }

  frame(type: number, payload: Buffer): void {
    const p = new Payload(payload)
    if (type === F.FILE) this.files.set(this.reads[p.u32()]!, Uint8Array.from(p.rest()))
    else if (type === F.READY) {
      const flags = p.u8()
      this.sharesPids = (flags & READY_SHARES_PIDS) !== 0
      this.keepsHostname = (flags & READY_KEEPS_HOSTNAME) !== 0
      this.amongOthers = (flags & READY_AMONG_OTHERS) !== 0
      this.isReady.resolve()
    } else if (type === F.HELD) void this.place(p.u32())
    else if (type === F.STARTED) this.isStarted.resolve({ idsFaked: payload.length > 0 && p.u8() === 1 })
    else if (type === F.STDIN_ACK) this.acknowledge()
    else if (type === F.OK) this.answered?.resolve(new Payload(Buffer.from(payload)))
    else if (type === F.LEFT) {
      this.hasLeft.resolve()
      this.end(undefined, new HelperError('step', 'ECANCELED', 'left'))
    } else if (type === F.EXIT) this.end(p.u8() === 0 ? { code: p.u32() } : { signal: p.u32() })
    else if (type === F.ERROR) this.end(undefined, decodeError(payload))
  }

  data(type: number, piece: Buffer): void {
    this.options.onOutput?.(type === F.STDERR ? 'stderr' : 'stdout', piece)
  }

  closed(): void {
    this.end(undefined, new HelperError('step', '', ''))
  }

  private readonly abort = (): void => {
    void this.kill()
  }

  /** Whoever holds the init back says what becomes of it. */
  private async place(pid: number): Promise<void> {
    try {
      await this.options.onHeld?.(pid)
      this.send((w) => w.begin(F.GO).end())
    } catch (err) {
      this.refused = err
      void this.kill()
    }
  }

  private acknowledge(): void {
    const done = this.acknowledged
    this.acknowledged = undefined
    done?.()
  }

  private end(exit: StepExit | undefined, err?: unknown): void {
    if (this.over) return
    this.over = true
    this.options.signal?.removeEventListener('abort', this.abort)
    this.lane.attach(undefined)
    this.release()
    this.acknowledge()
    const reason = this.refused ?? err ?? new HelperError('step', 'ECANCELED', 'ended')
    this.isReady.reject(reason)
    this.isStarted.reject(reason)
    this.answered?.reject(reason)
    if (exit) this.hasEnded.resolve(exit)
    else this.hasEnded.reject(reason)
  }

  private ask(build: (w: FrameWriter) => void): Promise<Payload> {
    const answered = deferred<Payload>()
    this.answered = answered
    if (this.over) answered.reject(new HelperError('step', 'ECANCELED', 'ended'))
    this.send(build)
    return answered.promise
  }

  private send(build: (w: FrameWriter) => void): void {
    // After the end the lane may serve somebody else.
    if (this.over) return
    const w = new FrameWriter()
    build(w)
    this.lane.send(w.take())
  }
}

/**
 * Makes a step on a free lane and settles once its mounts stand. `release` is called when the lane is free again.
 *
 * @throws {HelperError}
 */
export async function startStep(lane: Lane, plan: StepPlan, options: StepOptions, release: () => void): Promise<Step> {
  const step = new LaneStep(lane, plan, options, release)
  if (options.signal?.aborted) void step.kill()
  await step.ready
  return step
}
