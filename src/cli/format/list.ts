import { printable } from '../printable.js'
import { alignColumns } from './table.js'
import { toJson } from './value.js'

/** How a list can be shown: what `.` is for each row, and the table of when no `--format` is given. */
export interface ListLayout {
  /** Field → column heading, docker's, for `table TEMPLATE`. Every field of a row is here. */
  headings: Readonly<Record<string, string>>
  /** Fields of the ordinary table, in order. */
  columns: readonly string[]
  /** Field that `--quiet` prints alone. */
  quiet: string
}

/** Go's printing functions leave a heading as it is. */
const HEADING_FUNCTIONS = Object.fromEntries(
  ['json', 'title', 'lower', 'upper', 'truncate', 'split', 'join', 'pad'].map((name) => [name, (v: unknown) => v]),
)

/**
 * A list as `docker images`, `history` and `ps` print it.
 *
 * @param rows one object of strings each
 * @param format docker's `--format`: nothing or `table`, `table TEMPLATE`, `json`, `yaml` (tsbox's own), or a template for each row
 * @throws {TemplateError}
 */
export async function formatList(
  layout: ListLayout,
  rows: readonly Readonly<Record<string, string>>[],
  format: string | undefined,
  quiet: boolean,
): Promise<string> {
  const wanted = (format ?? '').trim()
  if (quiet && (!wanted || wanted === 'table')) return rows.map((r) => `${r[layout.quiet]}\n`).join('')
  if (!wanted || wanted === 'table') {
    const heading = layout.columns.map((c) => layout.headings[c]!)
    return alignColumns([
      heading,
      ...rows.map((r) => layout.columns.map((c) => printable(r[c]!.replaceAll('\t', ' ')))),
    ])
  }
  if (wanted === 'yaml') return (await import('./yaml.js')).toYaml(rows.map(sortedFields))
  if (wanted === 'json') return rows.map((r) => `${toJson(sortedFields(r))}\n`).join('')
  const { compileTemplate } = await import('./template.js')
  const isTable = /^table\s/.test(wanted)
  const text = (isTable ? wanted.slice(5).trim() : wanted).replaceAll('\\t', '\t').replaceAll('\\n', '\n')
  const template = compileTemplate(text)
  const lines = rows.map((r) => template(r))
  if (!isTable) return lines.map((l) => `${l}\n`).join('')
  const heading = compileTemplate(text, HEADING_FUNCTIONS)(layout.headings)
  return alignColumns([heading, ...lines].flatMap((l) => l.split('\n')).map((l) => l.split('\t')))
}

function sortedFields(row: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))
}
