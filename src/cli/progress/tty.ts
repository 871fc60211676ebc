import type { ChalkInstance } from 'chalk'
import { type ProgressEvent, warningLine } from '../../build/progress/event.js'
import { stripAnsi, textWidth } from '../text-width.js'
import { progressAmount } from './bytes.js'
import { isCanceled, Trace, type VertexTrace } from './trace.js'

/** Lines of output shown below a running step. */
const LOG_LINES = 6
/** Lines of output kept of each step. */
const KEPT_LINES = 64

interface Size {
  columns: number
  rows: number
}

/**
 * BuildKit's progress for terminals: a line a vertex with its time, the last output of running ones, redrawn in place.
 * On a screen that is too low, vertices that have ended leave from the top; the last drawing shows all.
 */
export class TtyPrinter {
  readonly trace = new Trace()
  private readonly write: (text: string) => void
  private readonly size: () => Size
  private readonly colour: ChalkInstance
  private began: number | undefined
  private drawn = 0

  constructor(write: (text: string) => void, size: () => Size, colour: ChalkInstance) {
    this.write = write
    this.size = size
    this.colour = colour
  }

  update(event: ProgressEvent): void {
    if (event.type === 'start') this.began ??= event.time
    const v = this.trace.update(event)
    if (v.lines.length > KEPT_LINES) v.lines.splice(0, v.lines.length - KEPT_LINES)
  }

  /** Draws over what was drawn. @param final everything, with the cursor back and free below */
  draw(now: number, final: boolean): void {
    const { columns, rows } = this.size()
    const vertices = [...this.trace.vertices.values()].filter((v) => v.started !== undefined)
    if (!vertices.length && !final) return
    const blocks = vertices.map((v) => this.block(v, now, columns, final))
    const lines = [this.header(now, final), ...fit(blocks, vertices, final ? Number.POSITIVE_INFINITY : rows - 2)]
    const up = this.drawn ? `\x1b[${this.drawn}A` : ''
    this.write(`\x1b[?25l\r${up}${lines.map((l) => `${l}\x1b[K\n`).join('')}\x1b[J${final ? '\x1b[?25h' : ''}`)
    this.drawn = final ? 0 : lines.length
  }

  private header(now: number, final: boolean): string {
    const all = [...this.trace.vertices.values()]
    const done = all.filter((v) => v.completed !== undefined).length
    const end = final ? Math.max(this.began ?? now, ...all.map((v) => v.completed ?? 0)) : now
    const failed = all.some((v) => v.error !== undefined)
    const state = final && !failed ? ' FINISHED' : ''
    const text = `[+] Building ${seconds(this.began ?? end, end)} (${done}/${all.length})${state}`
    return final && !failed ? this.colour.blue(text) : text
  }

  /** The lines of one vertex. */
  private block(v: VertexTrace, now: number, columns: number, final: boolean): string[] {
    const prefix = isCanceled(v) ? 'CANCELED ' : v.error !== undefined ? 'ERROR ' : v.cached ? 'CACHED ' : ''
    const head = this.row(` => ${prefix}${v.name}`, seconds(v.started!, v.completed ?? now), columns)
    const lines = [this.paint(v, head)]
    for (const s of v.statuses.values()) {
      const end = s.done ? s.time : (v.completed ?? now)
      const text = ` => => ${s.name}${progressAmount(s.current, s.total)}`
      const row = this.row(text, seconds(s.started, end), columns)
      lines.push(s.done || v.completed !== undefined ? this.colour.blue(row) : row)
    }
    for (const w of v.warnings)
      lines.push(
        this.colour.yellow(this.row(` => WARN: ${warningLine(w)}`, seconds(v.started!, v.completed ?? now), columns)),
      )
    if (v.completed === undefined && !final) {
      for (const line of v.lines.slice(-LOG_LINES))
        lines.push(this.colour.dim(cut(` => => # ${clean(line)}`, columns - 1)))
    }
    return lines
  }

  private paint(v: VertexTrace, line: string): string {
    if (v.completed === undefined) return line
    if (isCanceled(v)) return this.colour.yellow(line)
    return v.error === undefined ? this.colour.blue(line) : this.colour.red(line)
  }

  private row(text: string, time: string, columns: number): string {
    const room = columns - time.length - 2
    const shown = cut(text, room)
    return `${shown}${' '.repeat(Math.max(1, room - textWidth(shown) + 1))}${time}`
  }
}

/** What fits on the screen: blocks of ended vertices go first, then lines from the top. */
function fit(blocks: string[][], vertices: VertexTrace[], rows: number): string[] {
  let height = blocks.reduce((n, b) => n + b.length, 0)
  const kept = blocks.filter((b, i) => {
    if (height <= rows || vertices[i]!.completed === undefined) return true
    height -= b.length
    return false
  })
  const lines = kept.flat()
  return lines.length > rows ? lines.slice(lines.length - rows) : lines
}

function seconds(from: number, to: number): string {
  return `${(Math.max(0, to - from) / 1000).toFixed(1)}s`
}

/** A line of output without what would move the cursor: the text after the last carriage return, tabs as spaces. */
function clean(line: string): string {
  const [time, ...rest] = stripAnsi(line).replace(/\r+$/, '').split(' ')
  const text = rest.join(' ')
  const shown = text.slice(text.lastIndexOf('\r') + 1).replaceAll('\t', '        ')
  return `${time} ${shown.replace(/[\x00-\x1f\x7f]/g, '')}`
}

function cut(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text
  let out = ''
  let width = 0
  for (const c of text) {
    width += textWidth(c)
    if (width > columns - 3) break
    out += c
  }
  return `${out}...`
}
