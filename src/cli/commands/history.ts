import { defineCommand, flag, text } from '../command.js'
import { formatList, type ListLayout } from '../format/list.js'
import { ellipsis, humanSize, shortId, since } from '../format/units.js'

const layout: ListLayout = {
  headings: {
    ID: 'IMAGE',
    CreatedSince: 'CREATED',
    CreatedAt: 'CREATED AT',
    CreatedBy: 'CREATED BY',
    Size: 'SIZE',
    Comment: 'COMMENT',
  },
  columns: ['ID', 'CreatedSince', 'CreatedBy', 'Size', 'Comment'],
  quiet: 'ID',
}
/** Longest CREATED BY, docker's. */
const CREATED_BY = 45

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE',
  summary: 'Show the history of an image',
  arguments: [1, 1],
  options: {
    format: text('"table", "table TEMPLATE", "json" or a Go template for each line'),
    human: flag('Print sizes and dates for people (the default; --human=false for machines)', 'H'),
    'no-trunc': flag("Don't truncate ids and commands"),
    quiet: flag('Only show ids', 'q'),
  },
  refused: { platform: 'tsbox stores images of one platform' },
  initially: { human: true },
  async run(values, [reference], { engine, shell }) {
    const entries = await (await engine()).images.history(reference!)
    const rows = entries.map((e) => {
      const createdBy = (e.created_by ?? '').replaceAll('\t', ' ')
      return {
        Comment: e.comment ?? '',
        CreatedAt: e.created ?? '',
        CreatedBy: values['no-trunc'] ? createdBy : ellipsis(createdBy, CREATED_BY),
        CreatedSince: values.human ? since(e.created, shell.now()) : (e.created ?? ''),
        ID: values['no-trunc'] ? e.id : shortId(e.id),
        Size: values.human ? humanSize(e.sizeBytes) : String(e.sizeBytes),
      }
    })
    shell.stdout.write(await formatList(layout, rows, values.format, values.quiet))
    return undefined
  },
})
