import { defineCommand, text } from '../command.js'
import { UsageError } from '../usage-error.js'
import { writeFileWhole } from '../write-whole.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER',
  summary: "Write a container's file system as a tar",
  arguments: [1, 1],
  options: { output: text('File to write (default standard output)', 'o') },
  async run(values, [name], { engine, shell, resolve }) {
    if (values.output === undefined && shell.stdout.isTerminal)
      throw new UsageError('cowardly refusing to save to a terminal', {
        exitCode: 1,
        hint: 'use the -o option or redirect',
      })
    const { containers } = await engine()
    if (values.output === undefined) await containers.export(name!, (chunk) => shell.stdout.write(chunk))
    else await writeFileWhole(resolve(values.output), (write) => containers.export(name!, write))
    return undefined
  },
})
