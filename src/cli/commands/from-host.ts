import { defineCommand } from '../command.js'

export const command = defineCommand({
  synopsis: 'REPOSITORY[:TAG] PROGRAM [PROGRAM...]',
  summary: 'Make an image of programs of this machine and the shared libraries that they need',
  arguments: [2, Number.POSITIVE_INFINITY],
  options: {},
  async run(_, [reference, ...programs], { engine, shell }) {
    shell.stdout.write(`${await (await engine()).images.fromHost(reference!, programs)}\n`)
    return undefined
  },
})
