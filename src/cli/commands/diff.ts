import { defineCommand } from '../command.js'

export const command = defineCommand({
  synopsis: 'CONTAINER',
  summary: "Show what a container changed of its image's files",
  arguments: [1, 1],
  options: {},
  async run(_, [name], { engine, shell }) {
    const changes = await (await engine()).containers.diff(name!)
    shell.stdout.write(changes.map(({ kind, path }) => `${kind} ${path}\n`).join(''))
    return undefined
  },
})
