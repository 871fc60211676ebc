import { defineCommand, text } from '../command.js'
import { forEach } from './each.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Send a signal to one or more running containers',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: { signal: text('Signal to send (default KILL)', 's') },
  async run(values, names, { engine, shell }) {
    const { containers } = await engine()
    await forEach(names, shell, async (name) => {
      await containers.kill(name, values.signal ?? 'KILL')
      return name
    })
    return undefined
  },
})
