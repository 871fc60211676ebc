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
    const { description, url, experimental } = RULES[name]
    const { skip, skipAll, experimental: wanted, experimentalAll } = this.#options
    if (experimental ? !(experimentalAll || wanted.includes(name)) : skipAll || skip.includes(name)) return
    this.warnings.push({ rule: name, line: location.line, endLine: location.endLine, detail, description, url })
  }

  /** Names of the rules that found something, each once. */
  violated(): string[] {
    return [...new Set(this.warnings.map((w) => w.rule))]
  }
}
