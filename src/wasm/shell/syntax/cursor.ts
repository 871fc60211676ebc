import type { Position } from './ast.js'
import { ShellSyntaxError } from './error.js'

/** Reading position in a script; joins lines that end in a backslash. */
export class Cursor {
  readonly text: string
  offset = 0
  readonly #firstLine: number
  #lineStarts: number[] | undefined

  constructor(text: string, firstLine = 1) {
    this.text = text
    this.#firstLine = firstLine
  }

  /** The character here, continued lines joined; `''` at the end. */
  peek(): string {
    this.joinLines()
    return this.text[this.offset] ?? ''
  }

  /** The character after this one; for operators of two, which a continuation may part. */
  peekSecond(): string {
    this.joinLines()
    let at = this.offset + 1
    while (this.text.startsWith('\\\n', at)) at += 2
    return this.text[at] ?? ''
  }

  next(): string {
    const c = this.peek()
    if (c !== '') this.offset++
    return c
  }

  /** The character here as it is; within single quotes and here-documents nothing is joined. */
  rawNext(): string {
    return this.text[this.offset++] ?? ''
  }

  joinLines(): void {
    while (this.text.startsWith('\\\n', this.offset)) this.offset += 2
  }

  /** Takes the text where it is next. */
  take(expected: string): boolean {
    const start = this.offset
    for (const c of expected) {
      if (this.peek() !== c) {
        this.offset = start
        return false
      }
      this.offset++
    }
    return true
  }

  get atEnd(): boolean {
    return this.peek() === ''
  }

  position(offset = this.offset): Position {
    this.#lineStarts ??= lineStarts(this.text)
    let low = 0
    let high = this.#lineStarts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#lineStarts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + this.#firstLine, column: offset - this.#lineStarts[low]! + 1 }
  }

  fail(message: string, offset = this.offset, hint?: string): never {
    throw new ShellSyntaxError(message, this.position(offset), hint)
  }
}

function lineStarts(text: string): number[] {
  const starts = [0]
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) starts.push(i + 1)
  return starts
}
