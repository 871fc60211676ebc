import { textWidth } from '../text-width.js'

/** Narrowest column and the gap after it, docker's. */
const MIN_COLUMN = 10
const GAP = 3

/**
 * Aligns rows in columns as docker's lists are: a column is as wide as its widest cell and a gap of three, at least ten;
 * the last cell of a row is not padded. Tabs inside cells must be gone before.
 */
export function alignColumns(rows: readonly (readonly string[])[], min = MIN_COLUMN): string {
  const widths: number[] = []
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? min, textWidth(cell) + GAP)
    })
  }
  return rows
    .map((row) =>
      row.map((cell, i) => (i < row.length - 1 ? cell + ' '.repeat(widths[i]! - textWidth(cell)) : cell)).join(''),
    )
    .map((line) => `${line}\n`)
    .join('')
}
