/**
 * The option that a misspelt value was probably meant to be: at most two edits away, the nearest first.
 *
 * @param ignoreCase compare without case; the answer then takes the case of `value`
 * @returns undefined where nothing is near, or where the value is one of the options
 */
export function suggest(value: string, options: readonly string[], ignoreCase = false): string | undefined {
  const wanted = ignoreCase ? value.toLowerCase() : value
  let best: string | undefined
  let least = 3
  for (const option of options) {
    const candidate = ignoreCase ? option.toLowerCase() : option
    if (candidate === wanted) return undefined
    if (Math.abs(candidate.length - wanted.length) >= least) continue
    const distance = editDistance(wanted, candidate)
    if (distance >= least) continue
    least = distance
    best = ignoreCase ? withCaseOf(value, option) : option
  }
  return best
}

function withCaseOf(sample: string, text: string): string {
  if (sample === sample.toLowerCase()) return text.toLowerCase()
  if (sample === sample.toUpperCase()) return text.toUpperCase()
  return text.toLowerCase()
}

/** Levenshtein's distance: insertions, deletions and replacements, one each. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length]!
}
