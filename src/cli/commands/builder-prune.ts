import { parseSize } from '../../build/dockerfile/size.js'
import { defineCommand, flag, list, text } from '../command.js'
import { confirmed } from '../confirm.js'
import { humanSize } from '../format/units.js'
import { withSpinner } from '../spinner.js'
import { UsageError } from '../usage-error.js'
import { parseCacheFilter } from './builder-filter.js'
import { usageList } from './builder-usage.js'

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Remove build cache',
  arguments: [0, 0],
  options: {
    all: flag('Also remove what images share and what only leads to results', 'a'),
    filter: list('Remove only what matches: until=24h, type=TYPE, id=REGEXP, description=REGEXP, shared, …'),
    force: flag('Do not ask', 'f'),
    'keep-storage': text('As --reserved-space'),
    'max-used-space': text('Keep at most that much (512mb, 10gb)'),
    'min-free-space': text('Remove until that much of the disk is free'),
    'reserved-space': text('Always keep that much'),
    verbose: flag('Show all that is known of what was removed'),
  },
  refused: { builder: 'there is one builder', timeout: 'nobody is waited for' },
  async run(values, _, { engine, shell }) {
    const request = {
      all: values.all,
      filter: parseCacheFilter(values.filter),
      reservedBytes:
        sizeOf('reserved-space', values['reserved-space']) ?? sizeOf('keep-storage', values['keep-storage']),
      maxUsedBytes: sizeOf('max-used-space', values['max-used-space']),
      minFreeBytes: sizeOf('min-free-space', values['min-free-space']),
    }
    if (!values.force) {
      const what = values.all ? 'all build cache' : 'all dangling build cache'
      shell.stderr.write(`WARNING! This will remove ${what}. Are you sure you want to continue? [y/N] `)
      if (!(await confirmed(shell.stdin.stream()))) return undefined
    }
    const opened = await engine()
    const { pruned, reclaimedBytes } = await withSpinner(shell, 'Removing build cache', () =>
      opened.builder.prune(request),
    )
    const shown = pruned.length ? await usageList(pruned, { verbose: values.verbose, now: shell.now() }) : ''
    shell.stdout.write(`${shown}Total:\t${humanSize(reclaimedBytes, 4)}\n`)
    return undefined
  },
})

/** As docker reads it: units are powers of 1024. */
function sizeOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const bytes = parseSize(text)
  if (bytes === undefined)
    throw new UsageError(`invalid argument "${text}" for "--${option}" flag: invalid size: '${text}'`)
  return bytes
}
