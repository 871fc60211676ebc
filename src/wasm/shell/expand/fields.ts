import { escapePattern } from './pattern.js'

/** A word after expansion: what it is, and what it is as a pattern. */
export interface Field {
  text: string
  /** Quoted characters with a backslash before them. */
  pattern: string
}

const BLANK = /[ \t\n]/

/** Builds fields from pieces of a word, splitting what came from expansions. @see POSIX.1-2017, XCU 2.6.5 */
export class FieldBuilder {
  readonly #ifs: string
  readonly #fields: Field[] = []
  #text = ''
  #pattern = ''
  #exists = false
  /** A field was just ended by a blank, so that another separator belongs to the same gap. */
  #gap = false

  constructor(ifs: string) {
    this.#ifs = ifs
  }

  /** Text that means itself; it makes a field even where it is empty. */
  quoted(text: string): void {
    this.#text += text
    this.#pattern += escapePattern(text)
    this.#exists = true
    this.#gap = false
  }

  /** Text as it was written: special characters make patterns. */
  literal(text: string): void {
    if (text === '') return
    this.#text += text
    this.#pattern += text
    this.#exists = true
    this.#gap = false
  }

  /** What an expansion gave: it is split, and special characters make patterns. */
  expanded(text: string): void {
    for (let at = 0; at < text.length; ) {
      const c = text[at]!
      if (this.#ifs.includes(c)) {
        this.#separator(c)
        at++
        continue
      }
      let end = at + 1
      while (end < text.length && !this.#ifs.includes(text[end]!)) end++
      const part = text.slice(at, end)
      this.#text += part
      this.#pattern += part.replaceAll('\\', '\\\\')
      this.#exists = true
      this.#gap = false
      at = end
    }
  }

  #separator(c: string): void {
    if (BLANK.test(c)) {
      if (!this.#exists) return
      this.#finish()
      this.#gap = true
      return
    }
    if (this.#exists) this.#finish()
    else if (this.#gap) this.#gap = false
    else this.#fields.push({ text: '', pattern: '' })
  }

  #finish(): void {
    this.#fields.push({ text: this.#text, pattern: this.#pattern })
    this.#text = ''
    this.#pattern = ''
    this.#exists = false
  }

  /** Ends the field between two positional parameters. */
  boundary(): void {
    if (this.#exists) this.#finish()
    this.#gap = false
  }

  end(): Field[] {
    if (this.#exists) this.#finish()
    return this.#fields
  }
}
