import { stripAnsi, textWidth } from '../../src/cli/text-width.js'

/**
 * A terminal as far as progress uses one: it wraps, scrolls, goes up and to the start of a line, clears to the end of
 * the line and of the screen, hides and shows its cursor; made narrower, it wraps what is there again, as terminals do.
 */
export class Screen {
  /** Rows from the first ever shown; `true` where a row goes on in the next one. */
  #rows: { text: string; wraps: boolean }[] = [{ text: '', wraps: false }]
  #row = 0
  #column = 0
  columns: number
  rows: number
  cursorShown = true
  /** Writes that changed something, and whether one ever left the cursor hidden. */
  writes = 0

  constructor(columns: number, rows: number) {
    this.columns = columns
    this.rows = rows
  }

  write(text: string): void {
    this.writes++
    for (const [part] of text.matchAll(/\x1b\[[?\d;]*[A-Za-z]|\n|\r|[^\x1b\n\r]+/g)) {
      if (part === '\n') this.#down()
      else if (part === '\r') this.#column = 0
      else if (part.startsWith('\x1b[')) this.#control(part)
      else for (const c of part) this.#put(c)
    }
  }

  resize(columns: number, rows: number): void {
    const lines: string[] = []
    let cursorLine = 0
    let line = ''
    for (const [n, row] of this.#rows.entries()) {
      if (n === this.#row) cursorLine = lines.length
      line += row.text
      if (row.wraps) continue
      lines.push(line)
      line = ''
    }
    this.columns = columns
    this.rows = rows
    this.#rows = []
    for (const [n, whole] of lines.entries()) {
      if (n === cursorLine) this.#row = this.#rows.length
      const chars = [...whole]
      do {
        const text = chars.splice(0, columns).join('')
        this.#rows.push({ text, wraps: chars.length > 0 })
      } while (chars.length)
    }
  }

  /** All rows, also those that have scrolled away. */
  get lines(): string[] {
    const lines = this.#rows.map((row) => row.text.trimEnd())
    return lines.slice(0, lines.findLastIndex((l) => l !== '') + 1)
  }

  /** What is on the screen now. */
  get visible(): string[] {
    return this.#rows.slice(this.#top).map((row) => row.text.trimEnd())
  }

  get #top(): number {
    return Math.max(0, this.#rows.length - this.rows)
  }

  #control(part: string): void {
    const count = Number(/\d+/.exec(part)?.[0] ?? 1)
    if (part.endsWith('A')) this.#row = Math.max(this.#top, this.#row - count)
    else if (part === '\x1b[K') this.#current.text = cells(this.#current.text, this.#column)
    else if (part === '\x1b[J') {
      this.#current.text = cells(this.#current.text, this.#column)
      for (const row of this.#rows.slice(this.#row + 1)) row.text = ''
    } else if (part === '\x1b[?25l') this.cursorShown = false
    else if (part === '\x1b[?25h') this.cursorShown = true
    else if (!part.endsWith('m')) throw new Error(`unknown control sequence ${JSON.stringify(part)}`)
  }

  get #current(): { text: string; wraps: boolean } {
    return this.#rows[this.#row]!
  }

  #put(c: string): void {
    const width = textWidth(c)
    if (this.#column + width > this.columns) {
      this.#current.wraps = true
      this.#down()
      this.#column = 0
    }
    const { text } = this.#current
    const before = cells(text, this.#column).padEnd(this.#column)
    this.#current.text = before + c + [...text].slice([...before].length + 1).join('')
    this.#column += width
  }

  #down(): void {
    this.#row++
    this.#column = 0
    if (this.#row === this.#rows.length) this.#rows.push({ text: '', wraps: false })
  }
}

/** The first cells of a text. */
function cells(text: string, count: number): string {
  let out = ''
  for (const c of stripAnsi(text)) {
    if (textWidth(out + c) > count) break
    out += c
  }
  return out
}
