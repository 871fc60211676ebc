import { textWidth } from '../text-width.js'

/** A terminal's size in cells. */
export interface Size {
  columns: number
  rows: number
}

/**
 * Draws lines over the ones drawn before, in one write a frame, so that nothing flickers, and leaves the cursor visible
 * below them: whatever ends the program, the terminal is as it was. Lines that did not change are not written again.
 */
export class FrameWriter {
  readonly #write: (text: string) => void
  #drawn: readonly string[] = []
  #columns = 0

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  /** @param lines each narrower than the terminal */
  draw(lines: readonly string[], { columns }: Size): void {
    const same = columns === this.#columns
    if (same && lines.length === this.#drawn.length && lines.every((l, n) => l === this.#drawn[n])) return
    const up = this.#height(columns)
    const body = lines.map((line, n) => (same && line === this.#drawn[n] ? '\n' : `${line}\x1b[K\n`))
    this.#write(`\x1b[?25l\r${up ? `\x1b[${up}A` : ''}${body.join('')}\x1b[J\x1b[?25h`)
    this.#drawn = lines
    this.#columns = columns
  }

  /** What is drawn stays; the next frame begins below it. */
  release(): void {
    this.#drawn = []
    this.#columns = 0
  }

  /** Rows that the last frame takes now: a terminal that became narrower has wrapped its lines. */
  #height(columns: number): number {
    return this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(textWidth(line) / Math.max(columns, 1))), 0)
  }
}

/** What fits into so many cells, with an ellipsis where something is left out. */
export function cut(text: string, cells: number): string {
  if (textWidth(text) <= cells) return text
  const dots = cells > 6 ? '...' : ''
  let out = ''
  let width = dots.length
  for (const c of text) {
    width += textWidth(c)
    if (width > cells) break
    out += c
  }
  return out + dots
}
