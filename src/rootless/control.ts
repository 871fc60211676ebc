import { closeSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import type { Entry, EntrySink, EntrySource } from '../layer/entry.js'
import { feedEntries } from './apply.js'
import { decodeEntry } from './entry-codec.js'
import { HelperError } from './error.js'
import { F, FrameWriter, Payload } from './frames.js'
import { decodeError, Lane, type LaneHandler, request } from './lane.js'
import type { ProcessSpec, StepExit } from './plan.js'
import { putProcess } from './plan-codec.js'

/** Input goes in pieces of at most this many bytes, each awaited. */
const PIECE = 64 * 1024
/** As `enum copy_what` of native/copy.c. */
const COPY = { look: 0, out: 1, in: 2 } as const

/** A container's monitor, by the control socket in the container's folder. One conversation each. */
export class Control {
  private readonly lane: Lane

  private constructor(lane: Lane) {
    this.lane = lane
  }

  /** @param folder the container's; undefined where nobody listens in it */
  static async connect(folder: string): Promise<Control | undefined> {
    let fd: number
    try {
      fd = openSync(folder, 'r')
    } catch {
      return undefined
    }
    // The path may be longer than a socket's address can be (unix(7)).
    const socket = connect(`/proc/self/fd/${fd}/control`)
    try {
      await new Promise<void>((done, fail) => socket.once('connect', done).once('error', fail))
      return new Control(new Lane(socket))
    } catch {
      socket.destroy()
      return undefined
    } finally {
      closeSync(fd)
    }
  }

  /** Waits for the payload's end. Undefined where the monitor vanished without a word. */
  async wait(): Promise<StepExit | undefined> {
    return await new Promise((done) => {
      this.lane.attach({
        frame(type, payload) {
          if (type === F.EXIT) done(exitOf(payload))
        },
        data() {},
        closed: () => done(undefined),
      })
      this.send((w) => w.begin(F.WAIT).end())
    })
  }

  /** Settles when the monitor has closed the conversation, as it does at its end. */
  async gone(): Promise<void> {
    await new Promise<void>((done) => this.lane.attach({ frame() {}, data() {}, closed: done }))
  }

  /** Sends a signal to the payload. */
  signal(number: number): Promise<void> {
    return request(this.lane, (w) => w.begin(F.SIGNAL).u32(number).end())
  }

  /** Stops all processes of the container where they are, or lets them go on. */
  pause(on: boolean): Promise<void> {
    return request(this.lane, (w) => w.begin(F.PAUSE).flag(on).end())
  }

  /** Files of the container, as far as they are there and regular; at most 1 MiB of each. */
  async files(paths: readonly string[]): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    await request(this.lane, (w) => w.begin(F.FILES).strings(paths).end(), {
      frame(type, payload) {
        if (type !== F.FILE) return
        const p = new Payload(payload)
        found.set(paths[p.u32()]!, Uint8Array.from(p.rest()))
      },
    })
    return found
  }

  /** Joins the payload's streams. @throws {HelperError} stage `attach`, where they are those of another tsbox */
  attach(stdin: boolean, onOutput: OnOutput): Promise<Attached> {
    return Attached.start(this.lane, onOutput, (w) => w.begin(F.ATTACH).flag(stdin).end())
  }

  /**
   * Starts a process beside the payload, with its namespaces, root and id emulation.
   *
   * @throws {HelperError} as `Step.exec` does
   */
  spawn(
    process: ProcessSpec,
    options: { tty: boolean; stdin: boolean; detached: boolean },
    onOutput: OnOutput,
  ): Promise<Attached> {
    return Attached.start(this.lane, onOutput, (w) => {
      w.begin(F.SPAWN).flag(options.tty).flag(options.stdin).flag(options.detached)
      putProcess(w, process).end()
    })
  }

  /**
   * What a path of the container names; this conversation is over then, as after the next two.
   *
   * @param follow a link at its end, too; the entry's path is without links then
   * @throws {HelperError} stage `copy`
   */
  async look(path: string, follow: boolean): Promise<Entry> {
    const found: Entry[] = []
    await this.copy('look', path, follow, { entry: (e) => found.push(e), data() {} })
    return found[0] ?? { path: '', type: 'file', mode: 0, uid: 0, gid: 0, mtime: 0, size: 0 }
  }

  /** Sends what a path names as the entry '', and all below it by their paths from there. @throws {HelperError} */
  copyOut(path: string, follow: boolean, sink: EntrySink): Promise<void> {
    return this.copy('out', path, follow, sink)
  }

  /**
   * Writes entries below a directory, links in its path followed. A directory and what is none don't take each other's
   * place.
   *
   * @throws {HelperError} stages `copy`, `replace` with EISDIR or ENOTDIR, …
   */
  async copyIn(path: string, source: EntrySource): Promise<void> {
    // The monitor hands the connection over when it has read this: what follows is not for it.
    await request(this.lane, (w) => w.begin(F.COPY).u8(COPY.in).flag(false).str(path).end())
    await feedEntries(this.lane, source)
  }

  private copy(what: 'look' | 'out', path: string, follow: boolean, sink: EntrySink): Promise<void> {
    return request(this.lane, (w) => w.begin(F.COPY).u8(COPY[what]).flag(follow).str(path).end(), {
      frame(type, payload) {
        if (type === F.ENTRY) sink.entry(decodeEntry(new Payload(payload)))
      },
      data: (_type, piece) => sink.data(piece),
    })
  }

  close(): void {
    this.lane.destroy()
  }

  private send(build: (w: FrameWriter) => void): void {
    const w = new FrameWriter()
    build(w)
    this.lane.send(w.take())
  }
}

/** Gets output; a chunk is only valid during the call. */
export type OnOutput = (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void

/** A process whose streams come and go over a control socket. */
export class Attached implements LaneHandler {
  private readonly lane: Lane
  private readonly onOutput: OnOutput
  private acknowledged: (() => void) | undefined
  private settle!: { started(): void; failed(err: unknown): void; ended(exit: StepExit | undefined): void }
  /** How it ended, after all of its output; undefined where the monitor vanished, or {@link leave} was called. */
  readonly exit: Promise<StepExit | undefined>
  private readonly started: Promise<void>

  private constructor(lane: Lane, onOutput: OnOutput) {
    this.lane = lane
    this.onOutput = onOutput
    let ended!: (exit: StepExit | undefined) => void
    this.exit = new Promise((done) => {
      ended = done
    })
    this.started = new Promise((started, failed) => {
      this.settle = { started, failed, ended }
    })
  }

  static async start(lane: Lane, onOutput: OnOutput, build: (w: FrameWriter) => void): Promise<Attached> {
    const attached = new Attached(lane, onOutput)
    lane.attach(attached)
    attached.send(build)
    await attached.started
    return attached
  }

  frame(type: number, payload: Buffer): void {
    if (type === F.STARTED || type === F.OK) this.settle.started()
    else if (type === F.ERROR) this.settle.failed(decodeError(payload))
    else if (type === F.STDIN_ACK) this.acknowledge()
    else if (type === F.EXIT) this.settle.ended(exitOf(payload))
  }

  data(type: number, piece: Buffer): void {
    this.onOutput(type === F.STDERR ? 'stderr' : 'stdout', piece)
  }

  closed(): void {
    this.settle.failed(new HelperError('monitor', '', ''))
    this.settle.ended(undefined)
    this.acknowledge()
  }

  /** Settles when the process took it, or will take nothing any more. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length && !this.lane.closed; at += PIECE)
      await new Promise<void>((done) => {
        this.acknowledged = done
        this.send((w) =>
          w
            .begin(F.STDIN)
            .bytes(chunk.subarray(at, at + PIECE))
            .end(),
        )
      })
  }

  end(): void {
    this.send((w) => w.begin(F.STDIN_EOF).end())
  }

  /** To the payload. */
  signal(number: number): void {
    this.send((w) => w.begin(F.SIGNAL).u32(number).end())
  }

  resize(columns: number, rows: number): void {
    this.send((w) => w.begin(F.RESIZE).u32(columns).u32(rows).end())
  }

  /** Ends the conversation; the process goes on. */
  leave(): void {
    this.settle.ended(undefined)
    this.lane.destroy()
  }

  private acknowledge(): void {
    const done = this.acknowledged
    this.acknowledged = undefined
    done?.()
  }

  private send(build: (w: FrameWriter) => void): void {
    if (this.lane.closed) return
    const w = new FrameWriter()
    build(w)
    this.lane.send(w.take())
  }
}

function exitOf(payload: Buffer): StepExit {
  const p = new Payload(payload)
  return p.u8() === 0 ? { code: p.u32() } : { signal: p.u32() }
}
