import { defineCommand, flag, list, text } from '../command.js'
import { readEnvFile } from '../env-file.js'
import { UsageError } from '../usage-error.js'
import { streamRequest } from './stream-request.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  summary: 'Run a command in a running container',
  arguments: [2, Number.POSITIVE_INFINITY],
  stopsAtArgument: true,
  options: {
    detach: flag('Run it in the background', 'd'),
    'detach-keys': text('Keys that leave a command with a terminal (default ctrl-p,ctrl-q)'),
    env: list('Set an environment variable (K=V, or K to pass it on)', 'e'),
    'env-file': list('Read environment variables from a file'),
    interactive: flag('Keep standard input open', 'i'),
    privileged: flag('Give it every capability of the user namespace'),
    tty: flag('Give it a terminal', 't'),
    user: text('Name or id of the user, and the group after a colon', 'u'),
    workdir: text('Working directory in the container', 'w'),
  },
  async run(values, [name, ...argv], { engine, resolve, shell }) {
    if (values.interactive && values.tty && !values.detach && !shell.stdin.isTerminal)
      throw new UsageError('the input device is not a TTY', { exitCode: 1, usage: false })
    const env = [...values['env-file'].flatMap((f) => readEnvFile(resolve(f))), ...values.env]
    for (const e of env) if (/^=|^$/.test(e)) throw new UsageError(`invalid environment variable: "${e}"`)
    return await (await engine()).containers.exec(name!, {
      command: argv,
      interactive: values.interactive,
      tty: values.tty,
      detach: values.detach,
      env,
      workdir: values.workdir,
      user: values.user,
      privileged: values.privileged,
      streams: streamRequest(shell, {
        stdin: values.interactive,
        sigProxy: false,
        detachKeys: values['detach-keys'],
      }),
    })
  },
})
