import type { LogsRequest } from '../api.js'
import { LogFiles } from './log-files.js'

/** Lines more than wanted that are kept before they are dropped, many at once. */
const SLACK = 1000

/** One line of a container's log, as docker's json-file driver has it. */
interface LogLine {
  log: string
  stream: 'stdout' | 'stderr'
  attrs?: Readonly<Record<string, string>> | undefined
  /** RFC 3339. */
  time: string
}

/**
 * Shows a container's log.
 *
 * @param file of the log, the newest; one that is not there is empty
 * @param running asked whether more may come; the log is read to its end after it says no
 */
export async function showLogs(file: string, request: LogsRequest, running: () => boolean): Promise<void> {
  const log = new LogFiles(file)
  try {
    for (const line of request.tail === undefined ? lines(log) : lastOf(lines(log), request.tail)) show(line, request)
    while (request.follow && !request.signal.aborted && !isOver(request)) {
      const more = running()
      for (const line of lines(log)) show(line, request)
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
function lastOf(all: Iterable<LogLine>, count: number): LogLine[] {
  const kept: LogLine[][] = []
  let whole = true
  for (const line of all) {
    if (whole) kept.push([line])
    else kept.at(-1)!.push(line)
    whole = line.log.endsWith('\n')
    if (kept.length > count + SLACK) kept.splice(0, kept.length - count)
  }
  return count === 0 ? [] : kept.slice(-count).flat()
}

function show(line: LogLine, request: LogsRequest): void {
  const at = Date.parse(line.time)
  if (request.since !== undefined && at < request.since) return
  if (request.until !== undefined && at > request.until) return
  const details = request.details ? `${detailsOf(line)} ` : ''
  const text = Buffer.from(`${request.timestamps ? `${line.time} ` : ''}${details}${line.log}`)
  if (line.stream === 'stderr') request.stderr(text)
  else request.stdout(text)
}

/** As docker shows attributes. */
function detailsOf({ attrs = {} }: LogLine): string {
  const shown = Object.entries(attrs).map(([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(v)}`)
  return shown.sort().join(',')
}

/** What has come since the last time. */
function* lines(log: LogFiles): Generator<LogLine> {
  for (const text of log.read()) {
    const line = parse(text)
    if (line) yield line
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
