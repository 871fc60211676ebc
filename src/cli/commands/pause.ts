import { defineCommand } from '../command.js'
import { forEach } from './each.js'

export const command = defineCommand({
  synopsis: 'CONTAINER [CONTAINER...]',
  summary: 'Stop all processes of containers where they are',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: {},
  async run(_, names, { engine, shell }) {
    const { containers } = await engine()
    await forEach(names, shell, async (name) => {
      await containers.pause(name)
      return name
    })
    return undefined
  },
})
