import type { RunRequest } from '../../engine/api.js'
import { defineCommand, flag, text } from '../command.js'
import { UsageError } from '../usage-error.js'
import { cidFile } from './cid-file.js'
import { CREATE_OPTIONS, createRequest } from './create-options.js'
import { showingPull } from './pull-missing.js'
import { RUN_REFUSED } from './run-refused.js'
import { warnings } from './warnings.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create and run a new container from an image',
  arguments: [1, Number.POSITIVE_INFINITY],
  failureStatus: 125,
  stopsAtArgument: true,
  options: {
    ...CREATE_OPTIONS,
    detach: flag('Run it in the background and print its id', 'd'),
    'detach-keys': text('Keys that leave a container with a terminal (default ctrl-p,ctrl-q)'),
    'sig-proxy': flag('Pass signals on (default)'),
  },
  initially: { 'sig-proxy': true },
  refused: RUN_REFUSED,
  async run(values, args, { debug, engine, resolve, shell }) {
    const request = await createRequest(values, args, resolve)
    const { attach, detach, interactive, tty } = { ...request, ...values, attach: request.attach }
    if (attach && detach)
      throw new UsageError('conflicting options: cannot specify both --attach and --detach', { usage: false })
    const joinsInput = interactive && !detach && (attach?.includes('stdin') ?? true)
    if (joinsInput && tty && !shell.stdin.isTerminal)
      throw new UsageError('the input device is not a TTY', { exitCode: 1, usage: false })
    const onCreated = cidFile(values.cidfile === undefined ? undefined : resolve(values.cidfile))
    const showing = { shell, debug, image: request.image, quiet: values.quiet }
    const opened = await engine()
    const start = (pull: RunRequest['pull']) =>
      opened.run({
        ...request,
        pull,
        detach,
        detachKeys: values['detach-keys'],
        sigProxy: values['sig-proxy'],
        onCreated,
        onWarning: warnings(shell),
        // Signals belong to the program in the container: the engine passes them on, nothing here ends the run.
        signal: new AbortController().signal,
      })
    const outcome = await showingPull(values.pull, showing, start)
    for (const warning of outcome.warnings ?? []) shell.stderr.write(`WARNING: ${warning}\n`)
    const silent = attach && !attach.includes('stdout') && !attach.includes('stderr')
    if ((detach || silent) && outcome.id !== undefined) shell.stdout.write(`${outcome.id}\n`)
    return outcome.exitCode
  },
})
