import { defineCommand } from '../command.js'
import { forEach } from './each.js'

export const command = defineCommand({
  synopsis: 'CONTAINER [CONTAINER...]',
  summary: 'Let paused containers go on',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: {},
  async run(_, names, { engine, shell }) {
    const { containers } = await engine()
    await forEach(names, shell, async (name) => {
      await containers.unpause(name)
      return name
    })
    return undefined
  },
})
