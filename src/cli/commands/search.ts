import type { FoundImage } from '../../engine/api.js'
import { count, defineCommand, flag, list, text } from '../command.js'
import { formatList, type ListLayout } from '../format/list.js'
import { interruptible } from '../interrupt.js'
import { UsageError } from '../usage-error.js'

const layout: ListLayout = {
  headings: { Name: 'NAME', Description: 'DESCRIPTION', StarCount: 'STARS', IsOfficial: 'OFFICIAL' },
  columns: ['Name', 'Description', 'StarCount', 'IsOfficial'],
  quiet: 'Name',
}
const DESCRIPTION_WIDTH = 45

export const command = defineCommand({
  synopsis: '[OPTIONS] [HOST/]TERM',
  summary: 'Look for images in a registry that has a search or a catalogue',
  arguments: [1, 1],
  options: {
    filter: list('Show only what matches: is-official=BOOL, stars=NUMBER', 'f'),
    format: text('"table", "table TEMPLATE", "json" or a Go template for each image'),
    limit: count('How many at most (25 by default)'),
    'no-trunc': flag("Don't cut descriptions"),
  },
  async run(values, [term], { engine, shell }) {
    const limit = values.limit ?? 25
    if (limit < 1 || limit > 100) throw new UsageError('limit has to be between 1 and 100', { exitCode: 1 })
    const accepts = filterOf(values.filter)
    return await interruptible(shell, async (signal) => {
      const found = await (await engine()).registry.search(term!, limit, signal)
      const rows = found.filter(accepts).map((image) => rowOf(image, values['no-trunc']))
      shell.stdout.write(await formatList(layout, rows, values.format, false))
      return undefined
    })
  },
})

function rowOf({ description, name, official, stars }: FoundImage, full: boolean): Record<string, string> {
  const short = description.length > DESCRIPTION_WIDTH ? `${description.slice(0, DESCRIPTION_WIDTH - 1)}…` : description
  return {
    Name: name,
    Description: full ? description : short,
    StarCount: String(stars),
    IsOfficial: official ? '[OK]' : '',
  }
}

function filterOf(filters: readonly string[]): (image: FoundImage) => boolean {
  const all = filters.map((filter) => {
    const [key, value = ''] = filter.split(/=(.*)/s) as [string, string | undefined]
    if (key === 'stars' && /^\d+$/.test(value)) return (i: FoundImage) => i.stars >= Number(value)
    if (key === 'is-official' && /^(true|false)$/.test(value))
      return (i: FoundImage) => i.official === (value === 'true')
    throw new UsageError(`invalid filter "${filter}": there are is-official=true|false and stars=NUMBER`, {
      exitCode: 1,
    })
  })
  return (image) => all.every((accepts) => accepts(image))
}
