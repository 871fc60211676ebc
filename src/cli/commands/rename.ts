import { defineCommand } from '../command.js'

export const command = defineCommand({
  synopsis: 'CONTAINER NEW_NAME',
  summary: 'Rename a container',
  arguments: [2, 2],
  options: {},
  async run(_, [name, to], { engine }) {
    await (await engine()).containers.rename(name!, to!)
    return undefined
  },
})
