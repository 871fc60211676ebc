import { wasi } from '@bjorn3/browser_wasi_shim'
import { FD_READ, FD_WRITE, HostFd } from '../host/fd.js'
import { VfsError } from '../vfs/error.js'
import { bytesOf } from './bytes.js'
import { BrokenPipe, ShellError } from './error.js'
import { errorWords } from './files.js'

/** What a pipe holds at most: a writer runs to its end before its reader begins. */
const PIPE_BYTES = 1 << 29

/** A descriptor that several numbers, and several shells, share. */
export class OpenFile {
  readonly fd: HostFd
  #users = 1

  constructor(fd: HostFd) {
    this.fd = fd
  }

  share(): this {
    this.#users++
    return this
  }

  close(): void {
    if (--this.#users === 0) this.fd.fd_close()
  }
}

/** What one command writes and the next one reads. */
export class Pipe {
  readonly #chunks: Uint8Array[] = []
  #size = 0
  #read = 0
  /** Nobody will read. */
  broken = false

  write(data: Uint8Array): void {
    if (this.broken) throw new BrokenPipe()
    this.#size += data.length
    if (this.#size - this.#read > PIPE_BYTES)
      throw new ShellError(`a pipe holds at most ${PIPE_BYTES >> 20} MiB: write to a file instead`, 1)
    this.#chunks.push(data.slice())
  }

  read(into: Uint8Array): number {
    const first = this.#chunks[0]
    if (!first) return 0
    const count = Math.min(into.length, first.length)
    into.set(first.subarray(0, count))
    if (count === first.length) this.#chunks.shift()
    else this.#chunks[0] = first.subarray(count)
    this.#read += count
    return count
  }

  /** All that was written, taken out. */
  drain(): Uint8Array[] {
    return this.#chunks.splice(0)
  }
}

const META = BigInt(wasi.RIGHTS_FD_FILESTAT_GET | wasi.RIGHTS_POLL_FD_READWRITE)

/** The reading end. */
export class PipeReader extends HostFd {
  readonly filetype = wasi.FILETYPE_UNKNOWN
  readonly #pipe: Pipe

  constructor(pipe: Pipe) {
    super({ base: FD_READ | META, inheriting: 0n })
    this.#pipe = pipe
  }

  override read(into: Uint8Array): number {
    return this.#pipe.read(into)
  }

  override fd_close(): number {
    this.#pipe.broken = true
    return wasi.ERRNO_SUCCESS
  }
}

/** The writing end. */
export class PipeWriter extends HostFd {
  readonly filetype = wasi.FILETYPE_UNKNOWN
  readonly #pipe: Pipe

  constructor(pipe: Pipe) {
    super({ base: FD_WRITE | META, inheriting: 0n })
    this.#pipe = pipe
  }

  override write(data: Uint8Array): number {
    this.#pipe.write(data)
    return data.length
  }
}

/** A descriptor that a program may close without taking it from the shell. */
export class BorrowedFd extends HostFd {
  readonly #inner: HostFd

  constructor(inner: HostFd) {
    super(inner.rights)
    this.#inner = inner
    this.flags = inner.flags
  }

  get filetype(): number {
    return this.#inner.filetype
  }

  override get inode() {
    return this.#inner.inode
  }

  override read(into: Uint8Array): number {
    return this.#inner.read(into)
  }

  override pread(into: Uint8Array, offset: bigint): number {
    return this.#inner.pread(into, offset)
  }

  override write(data: Uint8Array): number {
    return this.#inner.write(data)
  }

  override pwrite(data: Uint8Array, offset: bigint): number {
    return this.#inner.pwrite(data, offset)
  }

  override seek(offset: bigint, whence: number): bigint {
    return this.#inner.seek(offset, whence)
  }
}

/** Descriptors of a (sub)shell by number. */
export class Descriptors {
  readonly #files: Map<number, OpenFile>

  constructor(files: Iterable<[number, OpenFile]>) {
    this.#files = new Map(files)
  }

  get(number: number): OpenFile | undefined {
    return this.#files.get(number)
  }

  /** Puts a file on a number, closing what was there; undefined only closes. */
  set(number: number, file: OpenFile | undefined): void {
    this.#files.get(number)?.close()
    if (file) this.#files.set(number, file)
    else this.#files.delete(number)
  }

  fork(): Descriptors {
    return new Descriptors([...this.#files].map(([n, file]) => [n, file.share()]))
  }

  closeAll(): void {
    for (const file of this.#files.values()) file.close()
    this.#files.clear()
  }
}

/** Reads lines; keeps what it has read beyond a line for the next one, so it owns its descriptor. */
export class LineReader {
  readonly #fd: HostFd
  #rest: Uint8Array = new Uint8Array(0)
  #ended = false

  constructor(fd: HostFd) {
    this.#fd = fd
  }

  /** The next line with its end, which the last one may lack; undefined at the end. */
  line(delimiter = 10): Uint8Array | undefined {
    const parts: Uint8Array[] = []
    for (;;) {
      const end = this.#rest.indexOf(delimiter)
      if (end >= 0) {
        parts.push(this.#rest.subarray(0, end + 1))
        this.#rest = this.#rest.subarray(end + 1)
        return join(parts)
      }
      if (this.#rest.length > 0) parts.push(this.#rest)
      this.#rest = this.#ended ? new Uint8Array(0) : this.#more()
      if (this.#rest.length === 0) return parts.length > 0 ? join(parts) : undefined
    }
  }

  /** Bytes that were read and not handed out. */
  get unread(): number {
    return this.#rest.length
  }

  #more(): Uint8Array {
    const chunk = new Uint8Array(1 << 16)
    const got = this.#fd.read(chunk)
    if (got === 0) this.#ended = true
    return chunk.subarray(0, got)
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

/** Gathers small writes: a call to the file system for each line would cost more than the line. */
export class Writer {
  readonly #fd: HostFd | undefined
  #pending: string[] = []
  #size = 0

  /** @param fd undefined where the number is not open */
  constructor(fd: HostFd | undefined) {
    this.#fd = fd
  }

  text(text: string): void {
    this.#pending.push(text)
    this.#size += text.length
    if (this.#size > 1 << 16) this.flush()
  }

  bytes(data: Uint8Array): void {
    this.flush()
    if (data.length > 0) this.#write(data)
  }

  /** @throws {ShellError} where it can't be written */
  flush(): void {
    if (this.#size === 0) return
    const text = this.#pending.join('')
    this.#pending = []
    this.#size = 0
    this.#write(bytesOf(text))
  }

  #write(data: Uint8Array): void {
    if (!this.#fd) throw new ShellError('write error: Bad file descriptor', 1)
    try {
      this.#fd.write(data)
    } catch (err) {
      if (err instanceof VfsError) throw new ShellError(`write error: ${errorWords(err)}`, 1)
      throw err
    }
  }
}
