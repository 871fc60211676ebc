import type { LineRange } from '../ast.js'
import { quote } from '../go-text.js'
import type { Dockerfile, Stage } from '../instruction.js'
import type { Reporter } from './reporter.js'

const RESERVED = ['context', 'scratch']

/** ReservedStageName and DuplicateStageName. */
export function checkStageNames(stages: readonly Stage[], reporter: Reporter): void {
  const seen = new Set<string>()
  for (const { name, location } of stages) {
    if (name === '') continue
    if (RESERVED.includes(name))
      reporter.report(
        'ReservedStageName',
        location,
        `Stage name should not use the same name as reserved stage ${quote(name)}`,
      )
    if (seen.has(name))
      reporter.report(
        'DuplicateStageName',
        location,
        `Duplicate stage name ${quote(name)}, stage names should be unique`,
      )
    seen.add(name)
  }
}

/** InvalidDefinitionDescription: the comment right above an ARG or a named FROM describes it. */
export function checkDescriptions(file: Dockerfile, reporter: Reporter): void {
  const all = [...file.metaArgs, ...file.stages.flatMap((s) => [s.from, ...s.instructions])]
  for (const i of all) {
    if (i.type === 'from' && i.name !== '') checkDescription('FROM', [i.name], i.comments, i.location, reporter)
    if (i.type === 'arg')
      checkDescription(
        'ARG',
        i.args.map((a) => a.key),
        i.comments,
        i.location,
        reporter,
      )
  }
}

function checkDescription(
  keyword: string,
  names: readonly string[],
  comments: readonly string[],
  location: LineRange,
  reporter: Reporter,
): void {
  const last = comments.at(-1)
  if (last === undefined || names.includes(last.split(' ')[0]!)) return
  const example = names.length > 1 ? '<arg_key>' : names[0]
  reporter.report(
    'InvalidDefinitionDescription',
    location,
    `Comment for ${keyword} should follow the format: \`# ${example} <description>\``,
  )
}
