import { defineCommand, list } from '../command.js'
import { withSpinner } from '../spinner.js'
import { UsageError } from '../usage-error.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] FILE|- [REPOSITORY[:TAG]]',
  summary: 'Make an image of one layer of the tar of a root filesystem',
  arguments: [1, 2],
  options: { change: list('Dockerfile instruction to apply to the image', 'c') },
  refused: {
    'message,m': 'the history of an imported image has no message yet',
    platform: 'the image gets the platform of this machine',
  },
  async run(values, [input, reference], { engine, shell, resolve }) {
    if (/^https?:\/\//.test(input!)) {
      throw new UsageError(`cannot import "${input}": tsbox does not download tars`, {
        exitCode: 1,
        hint: `curl -L ${input} | tsbox import -`,
        usage: false,
      })
    }
    const images = (await engine()).images
    const id = await withSpinner(shell, `Importing ${input}`, () =>
      input === '-'
        ? images.import('-', reference, values.change, shell.stdin.stream())
        : images.import(resolve(input!), reference, values.change),
    )
    shell.stdout.write(`${id}\n`)
    return undefined
  },
})
