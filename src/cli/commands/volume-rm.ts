import { defineCommand, flag } from '../command.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] VOLUME [VOLUME...]',
  summary: 'Remove one or more volumes with all that is in them',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: { force: flag('Say nothing of volumes that are not there', 'f') },
  async run(values, names, { engine, shell }) {
    const removed = await (await engine()).volumes.remove(names, { force: values.force })
    shell.stdout.write(removed.map((name) => `${name}\n`).join(''))
    return undefined
  },
})
