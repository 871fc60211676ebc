/** What tells that a file is the one that was looked at: fields of `fs.Stats`. */
export interface FileStamp {
  dev: number
  ino: number
  size: number
  mtimeMs: number
  ctimeMs: number
}

/** Numbers of one stamp. */
export const STAMP_NUMBERS = 5

/**
 * Stamps of many files, by number of the row. One array of doubles: as objects each would be six things on the heap,
 * and a context has a hundred thousand files.
 */
export class StampTable {
  /** `dev, ino, size, mtimeMs, ctimeMs` of each row; there may be room beyond the last. */
  #numbers: Float64Array
  #rows: number

  /** @param numbers rows that are there already; they are not copied */
  constructor(numbers: Float64Array = new Float64Array(0)) {
    this.#numbers = numbers
    this.#rows = numbers.length / STAMP_NUMBERS
  }

  /** @returns number of the new row */
  add(stamp: FileStamp): number {
    const at = this.#rows * STAMP_NUMBERS
    if (at === this.#numbers.length) {
      const larger = new Float64Array(Math.max(64 * STAMP_NUMBERS, at * 2))
      larger.set(this.#numbers)
      this.#numbers = larger
    }
    this.#numbers[at] = stamp.dev
    this.#numbers[at + 1] = stamp.ino
    this.#numbers[at + 2] = stamp.size
    this.#numbers[at + 3] = stamp.mtimeMs
    this.#numbers[at + 4] = stamp.ctimeMs
    return this.#rows++
  }

  at(row: number): FileStamp {
    const [dev, ino, size, mtimeMs, ctimeMs] = this.row(row)
    return { dev: dev!, ino: ino!, size: size!, mtimeMs: mtimeMs!, ctimeMs: ctimeMs! }
  }

  /** The numbers of a row, in the order of {@link FileStamp}; valid until a row is added. */
  row(row: number): Float64Array {
    return this.#numbers.subarray(row * STAMP_NUMBERS, (row + 1) * STAMP_NUMBERS)
  }

  /** Whether a row equals one of another table. */
  same(row: number, other: StampTable, otherRow: number): boolean {
    const mine = this.#numbers
    const theirs = other.#numbers
    const a = row * STAMP_NUMBERS
    const b = otherRow * STAMP_NUMBERS
    for (let i = 0; i < STAMP_NUMBERS; i++) if (mine[a + i] !== theirs[b + i]) return false
    return true
  }
}
