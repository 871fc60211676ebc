import { defineCommand, flag, list } from '../command.js'
import { confirmed } from '../confirm.js'
import { humanSize } from '../format/units.js'
import { parseFilters } from './filters.js'

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Remove all stopped containers',
  arguments: [0, 0],
  options: {
    filter: list('Remove only those for which it holds (until=24h, label=K=V, label!=K)'),
    force: flag('Do not ask', 'f'),
  },
  async run(values, _, { engine, shell }) {
    const filters = parseFilters(values.filter, shell.now(), ['until', 'label', 'label!'])
    if (!values.force) {
      shell.stderr.write('WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ')
      if (!(await confirmed(shell.stdin.stream()))) return undefined
    }
    const { ids, reclaimedBytes } = await (await engine()).containers.prune(filters)
    const deleted = ids.length ? `Deleted Containers:\n${ids.map((id) => `${id}\n`).join('')}\n` : ''
    shell.stdout.write(`${deleted}Total reclaimed space: ${humanSize(reclaimedBytes, 4)}\n`)
    return undefined
  },
})
