import { defineCommand, flag } from '../command.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Remove one or more containers',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: { force: flag('End a running container first', 'f') },
  refused: { 'volumes,v': 'nameless volumes always go with their container', 'link,l': 'there are no links' },
  async run(values, names, { engine, shell }) {
    const removed = await (await engine()).containers.remove(names, { force: values.force })
    shell.stdout.write(removed.map((name) => `${name}\n`).join(''))
    return undefined
  },
})
