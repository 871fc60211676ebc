import type { ImageDifference, PathDifference } from '../../engine/api.js'
import { choice, defineCommand, flag } from '../command.js'
import { humanSize } from '../format/units.js'
import { printable } from '../printable.js'
import { withSpinner } from '../spinner.js'

const SIGNS = { added: '+', removed: '-', changed: '~' } as const

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE IMAGE',
  summary: 'Show how a second image differs from a first: config, layers, files',
  arguments: [2, 2],
  options: {
    'exit-code': flag('Exit with 1 where they differ'),
    format: choice(['text', 'json'], 'How the difference is printed; default text'),
    summary: flag('Leave out the list of files'),
    times: flag("Compare files' times too"),
  },
  async run(values, [first, second], { engine, shell }) {
    const opened = await engine()
    const found = await withSpinner(shell, 'Comparing images', () =>
      opened.images.diff(first!, second!, { times: values.times }),
    )
    const text = () => textOf(found, [first!, second!], values.summary)
    shell.stdout.write(values.format === 'json' ? `${JSON.stringify(found)}\n` : text())
    return values['exit-code'] && (found.config.length > 0 || found.paths.length > 0) ? 1 : 0
  },
})

function textOf(d: ImageDifference, names: readonly [string, string], short: boolean): string {
  const out = [`--- ${names[0]} ${d.manifests[0]}`, `+++ ${names[1]} ${d.manifests[1]}`]
  if (d.config.length > 0) out.push('config')
  for (const { field, before, after } of d.config)
    out.push(`  ${printable(field)}: ${printable(before ?? '(none)')} → ${printable(after ?? '(none)')}`)
  const { shared, before, after } = d.layers
  out.push(`layers: ${shared} shared, ${before} only in the first, ${after} only in the second`)
  if (!short && d.paths.length > 0) out.push('files', ...d.paths.map(lineOf))
  const count = (kind: PathDifference['kind']) => d.paths.filter((p) => p.kind === kind).length
  const bytes = d.paths.reduce((sum, p) => sum + p.after - p.before, 0)
  const grown = bytes === 0 ? 'same size' : `${bytes > 0 ? '+' : '-'}${humanSize(Math.abs(bytes))}`
  out.push(`files: ${count('added')} added, ${count('removed')} removed, ${count('changed')} changed, ${grown}`)
  return out.map((line) => `${line}\n`).join('')
}

function lineOf({ path, kind, type, before, after, what }: PathDifference): string {
  const size = type !== 'file' ? type : kind === 'changed' && before !== after ? sizes(before, after) : ''
  const alone = type === 'file' && kind !== 'changed' ? humanSize(kind === 'added' ? after : before) : ''
  const notes = [alone || size, ...what].filter(Boolean).join(', ')
  return `  ${SIGNS[kind]} ${printable(`/${path}`)}${notes && `  ${notes}`}`
}

function sizes(before: number, after: number): string {
  return `${humanSize(before)} → ${humanSize(after)}`
}
