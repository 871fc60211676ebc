import { defineCommand, flag, list, text } from '../command.js'
import { UsageError } from '../usage-error.js'
import { parseCacheFilter } from './builder-filter.js'
import { usageList, usageSummary } from './builder-usage.js'

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Show what the build cache holds and how large it is',
  arguments: [0, 0],
  options: {
    filter: list('Only what matches: until=24h, type=TYPE, id=REGEXP, description=REGEXP, inuse, shared, …'),
    format: text('"table", "table TEMPLATE", "json" or a Go template for each piece'),
    verbose: flag('Show all that is known of each piece'),
  },
  refused: { builder: 'there is one builder', timeout: 'nobody is waited for' },
  async run(values, _, { engine, shell }) {
    if (values.verbose && values.format !== undefined) throw new UsageError('--format and --verbose exclude each other')
    const usage = await (await engine()).builder.usage(parseCacheFilter(values.filter))
    const view = { format: values.format, verbose: values.verbose, now: shell.now() }
    const summary = values.format === undefined || values.format === 'table' ? usageSummary(usage) : ''
    shell.stdout.write((await usageList(usage, view)) + summary)
    return undefined
  },
})
