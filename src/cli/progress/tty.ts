import { type ProgressEvent, warningLine } from '../../build/progress/event.js'
import { stripAnsi, textWidth } from '../text-width.js'
import { progressAmount, progressRate } from './bytes.js'
import type { Colours } from './colours.js'
import { cut, FrameWriter, type Size } from './frame.js'
import { isCanceled, type StatusTrace, Trace, type VertexTrace } from './trace.js'

/** Lines of output shown below a running step. @see BUILDKIT_TTY_LOG_LINES */
export const LOG_LINES = 6
/** Below this width there is no room for times. */
const TIMED_COLUMNS = 24

/** How the drawing looks. */
export interface TtyLook {
  size: () => Size
  colours: Colours
  /** Lines of output below a running step, where there is room. */
  logLines?: number | undefined
}

/** What is shown of one vertex: lines about it, and the last ones of its output while it runs. */
interface Block {
  lines: string[]
  logs: string[]
  isDone: boolean
}

/**
 * BuildKit's progress for terminals: a line a vertex with its time, its transfers below it, the last output of running
 * ones, redrawn in place. On a screen that is too low, steps that are done leave from the top, then output becomes
 * shorter, then running steps are counted only; the last drawing shows all.
 */
export class TtyPrinter {
  readonly trace = new Trace()
  readonly #look: TtyLook
  readonly #frame: FrameWriter
  readonly #logLines: number
  #began: number | undefined

  constructor(write: (text: string) => void, look: TtyLook) {
    this.#look = look
    this.#frame = new FrameWriter(write)
    this.#logLines = look.logLines ?? LOG_LINES
  }

  update(event: ProgressEvent): void {
    if (event.type === 'start') this.#began ??= event.time
    const v = this.trace.update(event)
    if (v.completed !== undefined) v.lines = []
    else if (v.lines.length > 2 * this.#logLines) v.lines.splice(0, v.lines.length - this.#logLines)
  }

  /** Draws over what was drawn. @param final everything, with the cursor free below */
  draw(now: number, final: boolean): void {
    const size = this.#look.size()
    const vertices = [...this.trace.vertices.values()].filter((v) => v.started !== undefined)
    if (!vertices.length && !final) return
    const blocks = vertices.map((v) => this.#block(v, now, size.columns, final))
    const body = final ? blocks.flatMap((b) => b.lines) : fit(blocks, Math.max(1, size.rows - 2), this.#logLines)
    this.#frame.draw([this.#header(now, final, size.columns), ...body], size)
    if (final) this.#frame.release()
  }

  #header(now: number, final: boolean, columns: number): string {
    const all = [...this.trace.vertices.values()]
    const done = all.filter((v) => v.completed !== undefined).length
    const end = final ? Math.max(this.#began ?? now, ...all.map((v) => v.completed ?? 0)) : now
    const failed = all.some((v) => v.error !== undefined)
    const state = final && !failed ? ' FINISHED' : ''
    const text = cut(`[+] Building ${seconds(this.#began ?? end, end)} (${done}/${all.length})${state}`, columns - 1)
    return final && !failed ? this.#look.colours.run(text) : text
  }

  #block(v: VertexTrace, now: number, columns: number, final: boolean): Block {
    const { colours } = this.#look
    const isDone = v.completed !== undefined
    const time = seconds(v.started!, v.completed ?? now)
    const prefix = isCanceled(v) ? 'CANCELED ' : v.error !== undefined ? 'ERROR ' : v.cached ? 'CACHED ' : ''
    const lines = [this.#paint(v, row(` => ${prefix}${printable(v.name)}`, time, columns))]
    for (const s of v.statuses.values()) {
      const text = row(` => => ${printable(s.name)}${amountOf(s, now, isDone)}`, timeOf(s, v, now), columns)
      lines.push(s.done || isDone ? colours.run(text) : text)
    }
    for (const w of v.warnings)
      lines.push(colours.warning(row(` => WARN: ${printable(warningLine(w))}`, time, columns)))
    const logs = isDone || final ? [] : v.lines.slice(-this.#logLines)
    return { lines, logs: logs.map((l) => colours.faint(cut(` => => # ${logLine(l)}`, columns - 1))), isDone }
  }

  #paint(v: VertexTrace, line: string): string {
    const { colours } = this.#look
    if (v.completed === undefined) return line
    if (isCanceled(v)) return colours.cancel(line)
    return v.error === undefined ? colours.run(line) : colours.error(line)
  }
}

/** Transferred bytes, and how many a second while it lasts. */
function amountOf(s: StatusTrace, now: number, isDone: boolean): string {
  const rate = s.done || isDone ? '' : progressRate(s.current, now - s.started)
  return progressAmount(s.current, s.total) + rate
}

function timeOf(s: StatusTrace, v: VertexTrace, now: number): string {
  return seconds(s.started, s.done ? s.time : (v.completed ?? now))
}

/** A line with its time at the right; without it on the narrowest terminals. */
function row(text: string, time: string, columns: number): string {
  if (columns < TIMED_COLUMNS) return cut(text, columns - 1)
  const room = columns - time.length - 2
  const shown = cut(text, room)
  return `${shown}${' '.repeat(Math.max(1, room - textWidth(shown) + 1))}${time}`
}

/** What fits into so many rows. */
function fit(blocks: readonly Block[], rows: number, logLines: number): string[] {
  let height = blocks.reduce((n, b) => n + b.lines.length + b.logs.length, 0)
  const kept = blocks.filter((b) => {
    if (height <= rows || !b.isDone) return true
    height -= b.lines.length
    return false
  })
  for (let most = logLines; most >= 0; most--) {
    const lines = kept.flatMap((b) => [...b.lines, ...b.logs.slice(b.logs.length - Math.min(most, b.logs.length))])
    if (lines.length <= rows) return lines
  }
  const heads = kept.map((b) => b.lines[0]!)
  if (heads.length <= rows) return heads
  const hidden = heads.length - rows + 1
  return [...heads.slice(0, rows - 1), ` => ${hidden} more`]
}

function seconds(from: number, to: number): string {
  return `${(Math.max(0, to - from) / 1000).toFixed(1)}s`
}

/** A line of output without what would move the cursor: the text after the last carriage return, tabs as spaces. */
function logLine(line: string): string {
  const [time, ...rest] = stripAnsi(line).replace(/\r+$/, '').split(' ')
  const text = rest.join(' ')
  return `${time} ${printable(text.slice(text.lastIndexOf('\r') + 1).replaceAll('\t', '        '))}`
}

/** One line, whatever is in it. */
function printable(text: string): string {
  return stripAnsi(text)
    .replace(/[\t\n]+/g, ' ')
    .replace(/[\x00-\x1f\x7f-\x9f]/g, '')
}
