import { defineCommand, flag } from '../command.js'
import { confirmed } from '../confirm.js'
import { withSpinner } from '../spinner.js'

const WARNING = `WARNING! This will remove:
  - all containers, those that run are killed
  - all images
  - all volumes
  - all build cache

Are you sure you want to continue? [y/N] `

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Remove all that tsbox keeps: containers, images, volumes, caches',
  arguments: [0, 0],
  options: { force: flag('Do not ask', 'f') },
  async run(values, _, { engine, shell }) {
    if (!values.force) {
      shell.stderr.write(WARNING)
      if (!(await confirmed(shell.stdin.stream()))) return undefined
    }
    const { system } = await engine()
    const { kept } = await withSpinner(shell, 'Removing everything', () => system.reset())
    if (kept.length) shell.stderr.write(`not tsbox's own, and left: ${kept.join(', ')}\n`)
    return undefined
  },
})
