import { defineCommand } from '../command.js'

export const command = defineCommand({
  synopsis: 'CONTAINER [ps OPTIONS]',
  summary: 'Show the running processes of a container',
  arguments: [1, Number.POSITIVE_INFINITY],
  stopsAtArgument: true,
  options: {},
  async run(_, [name, ...args], { engine, shell }) {
    shell.stdout.write(await (await engine()).containers.top(name!, args))
    return undefined
  },
})
