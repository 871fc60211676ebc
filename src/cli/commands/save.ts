import { defineCommand, text } from '../command.js'
import { withSpinner } from '../spinner.js'
import { UsageError } from '../usage-error.js'
import { writeFileWhole } from '../write-whole.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Save images to one archive that is an OCI layout and a docker archive',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: { output: text('File to write (default standard output)', 'o') },
  refused: { platform: 'tsbox stores images of one platform' },
  async run(values, references, { engine, shell, resolve }) {
    if (values.output !== undefined) {
      const images = (await engine()).images
      const path = resolve(values.output)
      await withSpinner(shell, `Saving to ${values.output}`, () =>
        writeFileWhole(path, (write) => images.save(references, write)),
      )
      return undefined
    }
    if (shell.stdout.isTerminal) {
      throw new UsageError('cowardly refusing to save to a terminal', {
        exitCode: 1,
        hint: 'use the -o option or redirect',
      })
    }
    await (await engine()).images.save(references, (chunk) => shell.stdout.write(chunk))
    return undefined
  },
})
