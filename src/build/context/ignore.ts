import { TsboxError } from '../../base/error.js'
import { cleanPath } from '../../base/path.js'
import { checkGlob } from './glob.js'
import { compilePattern, type PathTest } from './pattern.js'

export { parseIgnoreFile } from './ignore-file.js'

/** A pattern of a list: later ones win. */
interface Pattern {
  /** Cleaned, without the `!`. */
  text: string
  negated: boolean
  test: PathTest
}

/** Which patterns a directory or one above it matched: what matching the names in it needs. */
export type ParentState = readonly boolean[]

/**
 * Matches paths against a list of patterns: those of `.dockerignore`, of `--exclude`, of `--parents`. A path matches
 * when the last pattern that fits it, or a directory above it, is not negated.
 *
 * @see moby/patternmatcher
 */
export class IgnoreMatcher {
  readonly #patterns: readonly Pattern[]
  readonly #negations: boolean

  /** @throws TsboxError E_IGNORE_PATTERN */
  constructor(patterns: readonly string[]) {
    this.#patterns = patterns
      .map((p) => p.trim())
      .filter((p) => p !== '')
      .map(toPattern)
    this.#negations = this.#patterns.some((p) => p.negated)
  }

  /** Whether a path (relative, `/` between names) is matched, by itself or through a directory above it. */
  matches(path: string): boolean {
    const clean = cleanPath(path)
    // The root itself can't be left out.
    return clean !== '.' && this.step(clean, undefined).matched
  }

  /**
   * {@link matches} for a walk: `parent` is the state of the directory that holds the path (undefined where it is not
   * known), the answer's state is for what the path holds.
   *
   * @param path cleaned
   */
  step(path: string, parent: ParentState | undefined): { matched: boolean; state: ParentState } {
    let matched = false
    const state = this.#patterns.map((pattern, i) => {
      const fits = parent?.[i] || pattern.test(path) || (!parent && parentsOf(path).some(pattern.test))
      if (fits) matched = !pattern.negated
      return fits
    })
    return { matched, state }
  }

  /** {@link step}'s `matched` for what holds nothing. */
  matchesIn(path: string, parent: ParentState | undefined): boolean {
    if (!parent) return this.matches(path)
    for (let i = this.#patterns.length - 1; i >= 0; i--) {
      const pattern = this.#patterns[i]!
      if (parent[i] || pattern.test(path)) return !pattern.negated
    }
    return false
  }

  /** Whether something below a matched directory may be unmatched: without that, a walk need not enter it. */
  mayUnmatchBelow(dir: string): boolean {
    if (!this.#negations) return false
    return this.#patterns.some((p) => p.negated && mayFitBelow(p.text, dir))
  }

  /** The opposite of {@link mayUnmatchBelow}, asked of a directory that {@link step} matched. */
  canSkipDir(dir: string): boolean {
    return !this.mayUnmatchBelow(dir)
  }
}

function toPattern(given: string): Pattern {
  const clean = cleanPath(given)
  const negated = clean.startsWith('!')
  const text = negated ? clean.slice(1) : clean
  if (text === '') throw bad('illegal exclusion pattern: "!"', given)
  try {
    checkGlob(text)
    return { text, negated, test: compilePattern(text) }
  } catch (err) {
    throw bad('syntax error in pattern', given, err)
  }
}

function bad(state: string, pattern: string, cause?: unknown): TsboxError {
  return new TsboxError('E_IGNORE_PATTERN', `ignore pattern: ${state} "${pattern}"`, {
    cause,
    hint: 'close the [ or escape it with a backslash; "!" needs a pattern after it',
  })
}

function parentsOf(path: string): string[] {
  const dir = cleanPath(path.slice(0, path.lastIndexOf('/') + 1))
  if (dir === '.') return []
  const parts = dir.split('/')
  return parts.map((_, i) => parts.slice(0, i + 1).join('/'))
}

/** Compares name by name as far as both go; `**`, or a part with a wildcard, may be anything. */
function mayFitBelow(pattern: string, dir: string): boolean {
  const wanted = pattern.split('/')
  const have = dir.split('/')
  for (let i = 0; i < have.length && i < wanted.length; i++) {
    const part = wanted[i]!
    if (part.includes('**')) return true
    if (/[*?[\\]/.test(part)) {
      if (!compilePattern(part)(have[i]!)) return false
    } else if (part !== have[i]) return false
  }
  return true
}
