import { choice, defineCommand } from '../command.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] [COMMAND [ARG...]]',
  summary: 'Run a command (a shell) as root of the id mapping, to look at files of mapped ids',
  arguments: [0, Number.POSITIVE_INFINITY],
  failureStatus: 125,
  stopsAtArgument: true,
  options: { userns: choice(['auto', 'subid', 'single'], 'How ids are mapped: auto (default), subid or single') },
  async run(values, args, { engine }) {
    return await (await engine()).system.unshare({ command: args, userns: values.userns ?? 'auto' })
  },
})
