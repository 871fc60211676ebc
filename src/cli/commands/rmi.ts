import { defineCommand, flag } from '../command.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Remove one or more images',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: { force: flag('Remove even where a container uses it or many tags name it', 'f') },
  refused: { 'no-prune': 'images have no untagged parents here' },
  async run(values, references, { engine, shell }) {
    const lines = await (await engine()).images.remove(references, { force: values.force })
    shell.stdout.write(lines.map((l) => `${l}\n`).join(''))
    return undefined
  },
})
