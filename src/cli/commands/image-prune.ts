import { defineCommand, flag, list } from '../command.js'
import { confirmed } from '../confirm.js'
import { humanSize } from '../format/units.js'
import { withSpinner } from '../spinner.js'
import { parseFilters } from './filters.js'

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Remove unused images',
  arguments: [0, 0],
  options: {
    all: flag('Remove every image that no container uses, not only those without a tag', 'a'),
    filter: list('Remove only those for which it holds (until=24h, label=K=V, label!=K, dangling=BOOL)'),
    force: flag('Do not ask', 'f'),
  },
  async run(values, _, { engine, shell }) {
    const filters = parseFilters(values.filter, shell.now(), ['until', 'label', 'label!', 'dangling'])
    if (!values.force) {
      const what = values.all ? 'all images without at least one container associated to them' : 'all dangling images'
      shell.stderr.write(`WARNING! This will remove ${what}.\nAre you sure you want to continue? [y/N] `)
      if (!(await confirmed(shell.stdin.stream()))) return undefined
    }
    const opened = await engine()
    const { deleted, reclaimedBytes } = await withSpinner(shell, 'Removing unused images', () =>
      opened.images.prune({ all: values.all, filters }),
    )
    const lines = deleted.length ? `Deleted Images:\n${deleted.map((line) => `${line}\n`).join('')}\n` : ''
    shell.stdout.write(`${lines}Total reclaimed space: ${humanSize(reclaimedBytes, 4)}\n`)
    return undefined
  },
})
