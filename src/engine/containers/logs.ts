import { closeSync, fstatSync, openSync, readSync, watch } from 'node:fs'
import type { LogsRequest } from '../api.js'

const PIECE = 256 * 1024
/** Between two looks where nothing tells of a change. */
const LOOK_MS = 200

/** One line of a container's log, as docker's json-file driver has it. */
interface LogLine {
  log: string
  stream: 'stdout' | 'stderr'
  /** RFC 3339. */
  time: string
}

/**
 * Shows a container's log.
 *
 * @param file of the log; one that is not there is empty
 * @param running asked whether more may come; the log is read to its end after it says no
 */
export async function showLogs(file: string, request: LogsRequest, running: () => boolean): Promise<void> {
  const log = new LogFile(file)
  try {
    const first = log.read()
    for (const line of request.tail === undefined ? first : lastOf(first, request.tail)) show(line, request)
    while (request.follow && !request.signal.aborted && !isOver(request)) {
      const more = running()
      for (const line of log.read()) show(line, request)
      if (!more) return
      await log.change(request.signal)
    }
  } finally {
    log.close()
  }
}

function isOver({ until }: LogsRequest): boolean {
  return until !== undefined && Date.now() > until
}

/** Of the last whole lines; a long one is in several pieces. */
function lastOf(lines: readonly LogLine[], count: number): LogLine[] {
  let at = lines.length
  for (let left = count; at > 0 && left >= 0; at--) {
    if (lines[at - 1]!.log.endsWith('\n') && left-- === 0) break
    if (at === lines.length && !lines[at - 1]!.log.endsWith('\n') && left-- === 0) break
  }
  return lines.slice(at)
}

function show(line: LogLine, request: LogsRequest): void {
  const at = Date.parse(line.time)
  if (request.since !== undefined && at < request.since) return
  if (request.until !== undefined && at > request.until) return
  const text = Buffer.from(request.timestamps ? `${line.time} ${line.log}` : line.log)
  if (line.stream === 'stderr') request.stderr(text)
  else request.stdout(text)
}

/** The log, read on from where it was read last. */
class LogFile {
  readonly #path: string
  #fd: number | undefined
  #at = 0
  #rest = ''

  constructor(path: string) {
    this.#path = path
  }

  /** What has come since the last time. */
  read(): LogLine[] {
    const text = this.#rest + this.#text()
    const lines = text.split('\n')
    this.#rest = lines.pop()!
    return lines.flatMap((line) => parse(line) ?? [])
  }

  /** Settles when something may have been written, or after a while. */
  async change(signal: AbortSignal): Promise<void> {
    await new Promise<void>((done) => {
      const settle = () => {
        clearTimeout(timer)
        watcher?.close()
        signal.removeEventListener('abort', settle)
        done()
      }
      let watcher: ReturnType<typeof watch> | undefined
      try {
        watcher = watch(this.#path, settle).on('error', settle)
      } catch {
        // No watches left, or no file yet: looking again does as well.
      }
      const timer = setTimeout(settle, LOOK_MS)
      signal.addEventListener('abort', settle)
      if (this.#size() > this.#at) settle()
    })
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
  }

  #open(): number | undefined {
    try {
      this.#fd ??= openSync(this.#path, 'r')
    } catch {}
    return this.#fd
  }

  #size(): number {
    const fd = this.#open()
    return fd === undefined ? 0 : fstatSync(fd).size
  }

  /** Bytes up to the last end of a line; UTF-8 is never cut. */
  #text(): string {
    const fd = this.#open()
    if (fd === undefined) return ''
    const parts: Buffer[] = []
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE)
      const n = readSync(fd, piece, 0, PIECE, this.#at)
      if (n === 0) break
      this.#at += n
      parts.push(piece.subarray(0, n))
    }
    const all = Buffer.concat(parts)
    const end = all.lastIndexOf(10) + 1
    this.#at -= all.length - end
    return all.toString('utf8', 0, end)
  }
}

function parse(line: string): LogLine | undefined {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    // Cut by a crash of the machine.
    return undefined
  }
}
