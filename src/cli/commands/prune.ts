import { defineCommand, flag, list } from '../command.js'
import { confirmed } from '../confirm.js'
import { humanSize } from '../format/units.js'
import { withSpinner } from '../spinner.js'
import { parseFilters } from './filters.js'

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Remove stopped containers, unused images, the build cache and leftovers',
  arguments: [0, 0],
  options: {
    all: flag('Remove every image that no container uses, not only those without a tag', 'a'),
    filter: list('Remove only that for which it holds (until=24h, label=K=V, label!=K)'),
    force: flag('Do not ask', 'f'),
  },
  refused: { volumes: 'named volumes stay until tsbox volume rm; anonymous ones go with their containers' },
  async run(values, _, { engine, shell }) {
    const filters = parseFilters(values.filter, shell.now(), ['until', 'label', 'label!'])
    if (!values.force) {
      shell.stderr.write(warning(values.all))
      if (!(await confirmed(shell.stdin.stream()))) return undefined
    }
    const opened = await engine()
    const { deleted, reclaimedBytes } = await withSpinner(shell, 'Removing what is not used', () =>
      opened.system.prune({ all: values.all, filters }),
    )
    const list = deleted.length ? `Deleted:\n${deleted.map((d) => `${d}\n`).join('')}\n` : ''
    shell.stdout.write(`${list}Total reclaimed space: ${humanSize(reclaimedBytes, 4)}\n`)
    return undefined
  },
})

function warning(all: boolean): string {
  const images = all ? 'all images without at least one container' : 'all images without a tag or a container'
  return `WARNING! This will remove:
  - all stopped containers
  - ${images}
  - unused build cache

Are you sure you want to continue? [y/N] `
}
