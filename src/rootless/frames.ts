/**
 * Frames of a lane, both ways: u32 length of the payload, u8 type, payload. Integers are little-endian; a string is
 * u32 length, bytes, and a NUL that is not counted. The C side is `native/frame.h`.
 */
import { decodeName, encodeName } from '../base/bytes.js'

/** Types of frames; the numbers are those of `enum frame_type`. */
export const F = {
  START: 0x01,
  WALK: 0x10,
  APPLY: 0x11,
  REMOVE: 0x12,
  READ: 0x13,
  RUN: 0x14,
  PROBE: 0x15,
  ENTRY: 0x20,
  DATA: 0x21,
  END: 0x22,
  EXEC: 0x30,
  STDIN: 0x31,
  STDIN_EOF: 0x32,
  SIGNAL: 0x33,
  RESIZE: 0x34,
  KILL: 0x35,
  MONITOR: 0x36,
  DETACH: 0x37,
  TRASH: 0x38,
  GO: 0x3a,
  ATTACH: 0x40,
  SPAWN: 0x41,
  WAIT: 0x42,
  FILES: 0x43,
  COPY: 0x44,
  PAUSE: 0x45,
  OK: 0x80,
  ERROR: 0x81,
  FILE: 0x82,
  READY: 0x83,
  STARTED: 0x84,
  STDOUT: 0x85,
  STDERR: 0x86,
  STDIN_ACK: 0x87,
  EXIT: 0x88,
  PROBED: 0x89,
  LEFT: 0x8a,
  HELD: 0x8c,
} as const

const HEADER = 5

/** Builds frames one after another in a growing buffer. */
export class FrameWriter {
  private buffer: Buffer
  private length = 0
  private start = 0

  constructor(capacity = 4096) {
    this.buffer = Buffer.allocUnsafe(capacity)
  }

  /** Bytes of the frames that `take` would give. */
  get size(): number {
    return this.length
  }

  begin(type: number): this {
    this.start = this.length
    return this.u32(0).u8(type)
  }

  end(): this {
    this.buffer.writeUInt32LE(this.length - this.start - HEADER, this.start)
    return this
  }

  u8(value: number): this {
    this.room(1)
    this.buffer[this.length++] = value
    return this
  }

  u32(value: number): this {
    this.room(4)
    this.buffer.writeUInt32LE(value >>> 0, this.length)
    this.length += 4
    return this
  }

  /** A whole number; negative ones in two's complement, `Infinity` as all ones. */
  u64(value: number): this {
    if (value === Number.POSITIVE_INFINITY) return this.u32(0xffffffff).u32(0xffffffff)
    return this.u32(value % 0x100000000).u32(Math.floor(value / 0x100000000))
  }

  flag(value: boolean | undefined): this {
    return this.u8(value ? 1 : 0)
  }

  /** A name or path, as `base/bytes` has them. */
  str(text: string): this {
    const most = text.length * 3
    this.room(most + HEADER)
    // Fast for what is proper UTF-8, which is nearly everything.
    const n = /[\ud800-\udfff]/.test(text)
      ? this.raw(encodeName(text))
      : this.buffer.write(text, this.length + 4, 'utf8')
    this.buffer.writeUInt32LE(n, this.length)
    this.length += 4 + n
    return this.u8(0)
  }

  blob(bytes: Uint8Array): this {
    return this.u32(bytes.length).bytes(bytes)
  }

  bytes(bytes: Uint8Array): this {
    this.room(bytes.length)
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
    return this
  }

  strings(list: readonly string[]): this {
    this.u32(list.length)
    for (const s of list) this.str(s)
    return this
  }

  /** The frames built so far; the writer starts anew. */
  take(): Buffer {
    const out = this.buffer.subarray(0, this.length)
    this.buffer = Buffer.allocUnsafe(Math.max(4096, this.length))
    this.length = 0
    return out
  }

  private raw(bytes: Uint8Array): number {
    this.buffer.set(bytes, this.length + 4)
    return bytes.length
  }

  private room(bytes: number): void {
    if (this.buffer.length - this.length >= bytes) return
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes))
    this.buffer.copy(grown, 0, 0, this.length)
    this.buffer = grown
  }
}

/** Takes values out of a payload, in the order in which they were put. */
export class Payload {
  private at = 0
  private readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  u8(): number {
    return this.bytes[this.at++]!
  }

  u32(): number {
    this.at += 4
    return this.bytes.readUInt32LE(this.at - 4)
  }

  u64(): number {
    const low = this.u32()
    const high = this.u32() | 0
    return high * 0x100000000 + low
  }

  str(): string {
    const n = this.u32()
    this.at += n + 1
    return decodeName(this.bytes.subarray(this.at - n - 1, this.at - 1))
  }

  blob(): Buffer {
    const n = this.u32()
    this.at += n
    return this.bytes.subarray(this.at - n, this.at)
  }

  rest(): Buffer {
    return this.bytes.subarray(this.at)
  }
}

/** What a {@link FrameParser} found. Bytes are only valid during the call. */
export interface FrameHandler {
  /** A whole frame. */
  frame(type: number, payload: Buffer): void
  /** A piece of a frame that carries content: they come as they arrive, never joined. */
  data(type: number, piece: Buffer): void
}

const CONTENT = new Set<number>([F.DATA, F.STDOUT, F.STDERR])

/** Cuts a stream of bytes into frames. */
export class FrameParser {
  private readonly handler: FrameHandler
  private rest: Buffer | undefined
  private contentType = 0
  private contentLeft = 0

  constructor(handler: FrameHandler) {
    this.handler = handler
  }

  push(chunk: Buffer): void {
    let bytes = this.rest ? Buffer.concat([this.rest, chunk]) : chunk
    this.rest = undefined
    for (;;) {
      if (this.contentLeft > 0) {
        const piece = bytes.subarray(0, this.contentLeft)
        if (piece.length) this.handler.data(this.contentType, piece)
        this.contentLeft -= piece.length
        bytes = bytes.subarray(piece.length)
        if (this.contentLeft > 0) return
      }
      if (bytes.length < HEADER) break
      const length = bytes.readUInt32LE(0)
      const type = bytes[4]!
      if (CONTENT.has(type)) {
        this.contentType = type
        this.contentLeft = length
        bytes = bytes.subarray(HEADER)
        continue
      }
      if (bytes.length < HEADER + length) break
      this.handler.frame(type, bytes.subarray(HEADER, HEADER + length))
      bytes = bytes.subarray(HEADER + length)
    }
    if (bytes.length) this.rest = Buffer.from(bytes)
  }
}
