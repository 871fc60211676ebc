import type { LineRange } from '../ast.js'
import type { Dockerfile, FromInstruction } from '../instruction.js'
import type { Reporter } from './reporter.js'

/** StageNameCasing and FromAsCasing: how FROM is written. */
export function checkFromCasing(from: FromInstruction, reporter: Reporter): void {
  if (from.originalName !== from.originalName.toLowerCase())
    reporter.report('StageNameCasing', from.location, `Stage name '${from.originalName}' should be lowercase`)
  const { keyword, asKeyword } = from
  if (asKeyword === undefined) return
  // A FROM of mixed case is the business of ConsistentInstructionCasing.
  const matches =
    (keyword === keyword.toLowerCase() && asKeyword === asKeyword.toLowerCase()) ||
    (keyword === keyword.toUpperCase() && asKeyword === asKeyword.toUpperCase()) ||
    !isOneCase(keyword)
  if (!matches)
    reporter.report('FromAsCasing', from.location, `'${asKeyword}' and '${keyword}' keywords' casing do not match`)
}

/** ConsistentInstructionCasing: all keywords in capitals, or none; the majority decides, a draw is for capitals. */
export function checkInstructionCasing(file: Dockerfile, reporter: Reporter): void {
  const keywords: { keyword: string; location: LineRange }[] = file.stages.flatMap((s) => [s.from, ...s.instructions])
  const lower = keywords.filter(({ keyword }) => keyword === keyword.toLowerCase()).length
  const upper = keywords.filter(({ keyword }) => keyword === keyword.toUpperCase()).length
  const wanted = lower > upper ? 'lowercase' : 'uppercase'
  for (const { keyword, location } of keywords) {
    const right = wanted === 'lowercase' ? keyword.toLowerCase() : keyword.toUpperCase()
    if (keyword !== right)
      reporter.report(
        'ConsistentInstructionCasing',
        location,
        `Command '${keyword}' should match the case of the command majority (${wanted})`,
      )
  }
}

function isOneCase(text: string): boolean {
  return text === text.toLowerCase() || text === text.toUpperCase()
}
