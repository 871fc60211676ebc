import type { LineRange } from '../ast.js'
import type { CheckOptions } from '../directive.js'
import { RULES, type RuleName } from './rules.js'

/** One thing that a check found. */
export interface LintWarning {
  rule: RuleName
  /** Lines that it is about, counted from 1. */
  line: number
  endLine: number
  /** What is wrong here. */
  detail: string
  /** What the rule asks for. */
  description: string
  url: string
}

/** Collects what checks find, as far as the directives let them speak. */
export class Reporter {
  readonly warnings: LintWarning[] = []
  readonly #options: CheckOptions

  constructor(options: CheckOptions) {
    this.#options = options
  }

  report(name: RuleName, location: LineRange, detail: string): void {
    const { description, url } = RULES[name]
    if (!speaks(name, this.#options)) return
    this.warnings.push({ rule: name, line: location.line, endLine: location.endLine, detail, description, url })
  }
}

/** Whether the directives let a rule speak. */
export function speaks(name: RuleName, options: CheckOptions): boolean {
  const { skip, skipAll, experimental, experimentalAll } = options
  if (RULES[name].experimental) return experimentalAll || experimental.includes(name)
  return !skipAll && !skip.includes(name)
}
