import { type ProgressEvent, warningLine } from '../../build/progress/event.js'
import { printableLines } from '../printable.js'
import { progressAmount } from './bytes.js'
import { isCanceled, type StatusTrace, Trace, type VertexTrace } from './trace.js'

/** A vertex that prints nothing for so long lets others print. */
const ANTI_FLICKER_MS = 5000
/** A vertex is never silenced longer than this. */
const MAX_DELAY_MS = 10_000
/** A status line is repeated when it moved this far, or this long ago. */
const STATUS_STEP = 0.05
const STATUS_MS = 5000

interface Shown {
  /** The number before its lines. */
  index: number
  /** When the others began to wait for it to print. */
  since: number
  /** Lines it had to say since then. */
  count: number
  /** How much of an unfinished line is printed. */
  offset: number
  statuses: Map<string, { current: number; time: number }>
  changed: Set<string>
  warned: number
}

/**
 * BuildKit's plain progress: one block a vertex, `#N name`, its output as `#N seconds text`, `#N DONE`. Blocks of steps
 * that run at once alternate, but not at every line.
 *
 * @see buildkit/util/progress/progressui/printer.go, whose layout this is
 */
export class PlainPrinter {
  readonly trace = new Trace()
  private readonly write: (text: string) => void
  private readonly shown = new Map<number, Shown>()
  private readonly updated = new Set<number>()
  private current: VertexTrace | undefined
  private lastIndex = 0
  private notFirst = false
  private out = ''

  constructor(write: (text: string) => void) {
    this.write = write
  }

  update(event: ProgressEvent): void {
    const v = this.trace.update(event)
    if (event.type === 'vertex' || event.type === 'explanation') return
    const s = this.stateOf(v, event.time)
    if (event.type === 'status') s.changed.add(event.name)
    s.count++
    this.updated.add(v.id)
  }

  /** Prints what is due. @param now milliseconds since 1970 */
  flush(now: number): void {
    this.choose(now)
    if (this.out) this.write(this.out)
    this.out = ''
  }

  private choose(now: number): void {
    const updated = [...this.updated].map((id) => this.trace.vertices.get(id)!)
    const completed = updated.filter((v) => v.completed !== undefined)
    const rest = new Set(updated.filter((v) => v.completed === undefined))
    const before = this.current
    // What has completed goes first, and the vertex that is printing before all.
    for (const v of completed) if (v === before) this.print(v, now)
    for (const v of completed) if (v !== before) this.print(v, now)
    if (!rest.size) {
      // The one that printed before goes on when it has something to say.
      if (before && before.completed === undefined) return
      const open = [...this.trace.vertices.values()].find((v) => v.started !== undefined && v.completed === undefined)
      if (open) this.print(open, now)
      return
    }
    if (before && rest.has(before)) this.print(before, now)
    this.shareOut(rest, before, now)
  }

  /** Lets another vertex print when the one before is done, another waits too long, or it has printed long enough. */
  private shareOut(rest: Set<VertexTrace>, before: VertexTrace | undefined, now: number): void {
    const current = before?.completed === undefined ? before : undefined
    if (current) rest.add(current)
    const waited = (v: VertexTrace) => now - this.stateOf(v, now).since
    const speed = (v: VertexTrace) => this.stateOf(v, now).count / Math.max(waited(v), 1)
    const late = [...rest].find((v) => v !== current && waited(v) > MAX_DELAY_MS)
    const next = late ?? [...rest].reduce((a, b) => (speed(b) > speed(a) ? b : a))
    const total = [...rest].reduce((sum, v) => sum + speed(v), 0)
    const share = current && total ? speed(current) / total : 1
    if (!current || late || ANTI_FLICKER_MS / (1 - share) < waited(current)) this.print(next, now)
  }

  private stateOf(v: VertexTrace, now: number): Shown {
    let s = this.shown.get(v.id)
    if (!s) {
      s = { index: 0, since: now, count: 0, offset: 0, statuses: new Map(), changed: new Set(), warned: 0 }
      this.shown.set(v.id, s)
    }
    return s
  }

  private print(v: VertexTrace, now: number): void {
    const s = this.stateOf(v, now)
    s.index ||= ++this.lastIndex
    if (v !== this.current) this.open(v, s, now)
    const open = this.statusLines(v, s)
    for (const w of v.warnings.slice(s.warned)) this.out += `#${s.index} WARN: ${printableLines(warningLine(w))}\n`
    s.warned = v.warnings.length
    this.logLines(v, s)
    this.current = v
    this.updated.delete(v.id)
    if (v.completed !== undefined && !open) this.close(v, s, now)
  }

  private open(v: VertexTrace, s: Shown, now: number): void {
    if (this.current) {
      const old = this.stateOf(this.current, now)
      if (this.current.partial) this.out += '\n'
      Object.assign(old, { offset: 0, count: 0, since: now })
      this.out += `#${old.index} ...\n`
    }
    if (this.notFirst) this.out += '\n'
    this.notFirst = true
    this.out += `#${s.index} ${printableLines(v.name)}\n`
    s.since = now
  }

  /** @returns whether one of the statuses is still open */
  private statusLines(v: VertexTrace, s: Shown): boolean {
    let open = false
    for (const status of v.statuses.values()) {
      if (!status.done) open = true
      if (!s.changed.has(status.name) || !this.isDue(status, s)) continue
      s.statuses.set(status.name, { current: status.current, time: status.time })
      const seconds = (status.time - status.started) / 1000
      const time = seconds > 0.01 ? ` ${seconds.toFixed(1)}s` : ''
      const amount = progressAmount(status.current, status.total)
      this.out += `#${s.index} ${printableLines(status.name)}${amount}${time}${status.done ? ' done' : ''}\n`
    }
    s.changed.clear()
    return open && v.completed === undefined
  }

  private isDue(status: StatusTrace, s: Shown): boolean {
    const last = s.statuses.get(status.name)
    if (!last || status.done) return true
    const moved = status.total > 0 ? (status.current - last.current) / status.total : 0
    return moved >= STATUS_STEP || status.time - last.time >= STATUS_MS
  }

  private logLines(v: VertexTrace, s: Shown): void {
    v.lines.forEach((line, i) => {
      const unfinished = v.partial && i === v.lines.length - 1
      this.out += i === 0 && s.offset ? line.slice(s.offset) : `#${s.index} ${line}`
      if (!unfinished) this.out += '\n'
      s.offset = unfinished ? line.length : 0
    })
    // A line that goes on is kept: it may be needed from its start, in a new block.
    v.lines = v.partial ? v.lines.slice(-1) : []
    if (!v.partial) s.offset = 0
  }

  private close(v: VertexTrace, s: Shown, now: number): void {
    this.current = undefined
    Object.assign(s, { count: 0, since: now })
    if (v.partial) this.out += '\n'
    v.partial = false
    v.lines = []
    if (isCanceled(v)) this.out += `#${s.index} CANCELED\n`
    else if (v.error !== undefined) this.out += `#${s.index} ERROR: ${printableLines(v.error)}\n`
    else if (v.cached) this.out += `#${s.index} CACHED\n`
    else this.out += `#${s.index} DONE${secondsOf(v)}\n`
  }
}

function secondsOf(v: VertexTrace): string {
  return v.started === undefined ? '' : ` ${((v.completed! - v.started) / 1000).toFixed(1)}s`
}
