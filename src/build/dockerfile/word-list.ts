import { isSpace } from './go-text.js'

/** Collects words: plain characters split at blanks, raw ones never. */
export class WordList {
  readonly words: string[] = []
  #word = ''

  plain(text: string): void {
    for (const ch of text) {
      if (!isSpace(ch)) this.#word += ch
      else this.end()
    }
  }

  raw(text: string): void {
    this.#word += text
  }

  end(): string[] {
    if (this.#word !== '') this.words.push(this.#word)
    this.#word = ''
    return this.words
  }
}
