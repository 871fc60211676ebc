import { defineCommand } from '../command.js'
import { forEach } from './each.js'

export const command = defineCommand({
  synopsis: 'CONTAINER [CONTAINER...]',
  summary: 'Wait until one or more containers stop, and print their exit codes',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: {},
  async run(_, names, { engine, shell }) {
    const { containers } = await engine()
    await forEach(names, shell, async (name) => String(await containers.wait(name)))
    return undefined
  },
})
