import { defineCommand, list, text } from '../command.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  summary: 'Make an image of the changes of a container',
  arguments: [1, 2],
  options: {
    author: text('Author (for example "John Hannibal Smith <hannibal@a-team.com>")', 'a'),
    change: list('Dockerfile instruction to apply to the image', 'c'),
    message: text('Commit message', 'm'),
  },
  refused: { 'pause,p': 'a container is not frozen while it is read: stop it where it must not change' },
  async run(values, [name, reference], { engine, shell }) {
    const { author, message, change: changes } = values
    const id = await (await engine()).containers.commit(name!, { reference, author, message, changes })
    shell.stdout.write(`${id}\n`)
    return undefined
  },
})
