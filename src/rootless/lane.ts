import type { Socket } from 'node:net'
import { HelperError } from './error.js'
import { F, type FrameHandler, FrameParser, FrameWriter, Payload } from './frames.js'
import { hintFor } from './hint.js'

/** Reads an ERROR frame. */
export function decodeError(payload: Buffer): HelperError {
  const p = new Payload(payload)
  const errno = p.u32()
  const stage = p.str()
  const detail = p.str()
  return HelperError.of(stage, errno, detail, hintFor)
}

/** What a lane's frames go to while a request is under way. */
export interface LaneHandler extends FrameHandler {
  /** The helper's end is closed: nothing will come any more. */
  closed(): void
}

/** One duplex socket to the helper, with one request at a time on it. */
export class Lane {
  private readonly socket: Socket
  private handler: LaneHandler | undefined
  closed = false

  constructor(socket: Socket) {
    this.socket = socket
    const parser = new FrameParser({
      frame: (type, payload) => this.handler?.frame(type, payload),
      data: (type, piece) => this.handler?.data(type, piece),
    })
    socket.on('data', (chunk: Buffer) => parser.push(chunk))
    // EPIPE and ECONNRESET say what 'close' says too.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      this.handler?.closed()
    })
  }

  /** Frames go to `handler` until the next call. */
  attach(handler: LaneHandler | undefined): void {
    this.handler = handler
    if (handler && this.closed) handler.closed()
  }

  /** Sends bytes of frames. False asks to wait for {@link drained}. */
  send(bytes: Buffer): boolean {
    return this.closed || this.socket.write(bytes)
  }

  /** Settles when the socket takes more, or is closed. */
  drained(): Promise<void> {
    if (this.closed || !this.socket.writableNeedDrain) return Promise.resolve()
    return new Promise((done) => {
      const settle = () => {
        this.socket.off('drain', settle)
        this.socket.off('close', settle)
        done()
      }
      this.socket.on('drain', settle)
      this.socket.on('close', settle)
    })
  }

  /** Keeps the process alive only while something is under way. */
  hold(under: boolean): void {
    if (under) this.socket.ref()
    else this.socket.unref()
  }

  destroy(): void {
    this.socket.destroy()
  }
}

/**
 * Sends one request and settles with its OK or ERROR; other frames go to `on`.
 *
 * @throws {HelperError}, or what `on` throws, once the answer is complete
 */
export function request(lane: Lane, build: (w: FrameWriter) => void, on: Partial<FrameHandler> = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: unknown
    // A sink's exception must not tear the stream apart: the answer is read to its end and dropped.
    const guarded = (call: () => void) => {
      if (failure !== undefined) return
      try {
        call()
      } catch (err) {
        failure = err ?? new Error('a sink threw nothing')
      }
    }
    const settle = (err: unknown) => {
      lane.attach(undefined)
      if (err === undefined) resolve()
      else reject(err)
    }
    lane.attach({
      frame(type, payload) {
        if (type === F.OK) settle(failure)
        else if (type === F.ERROR) settle(failure ?? decodeError(payload))
        else guarded(() => on.frame?.(type, payload))
      },
      data: (type, piece) => guarded(() => on.data?.(type, piece)),
      closed: () => settle(new HelperError('worker', '', '')),
    })
    const w = new FrameWriter()
    build(w)
    lane.send(w.take())
  })
}
