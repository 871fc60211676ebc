import { defineCommand, flag, list, text } from '../command.js'
import { readEnvFile } from '../env-file.js'
import { UsageError } from '../usage-error.js'
import { limitsOf } from './limits-given.js'
import { ISOLATION_OPTIONS, isolationOf } from './run-isolation.js'
import { RUN_REFUSED } from './run-refused.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create and run a new container from an image',
  arguments: [1, Number.POSITIVE_INFINITY],
  failureStatus: 125,
  stopsAtArgument: true,
  options: {
    ...ISOLATION_OPTIONS,
    entrypoint: text('Replace the ENTRYPOINT of the image'),
    env: list('Set an environment variable (K=V, or K to pass it on)', 'e'),
    'env-file': list('Read environment variables from a file'),
    hostname: text('Host name of the container', 'h'),
    init: flag('Reap zombies and forward signals (tsbox always does)'),
    interactive: flag('Keep standard input open', 'i'),
    name: text('Name of the container'),
    net: text('The same as --network'),
    network: text('Network of the container: host (default) or none'),
    pull: text('Pull the image before running: only "never" for now'),
    quiet: flag('Show nothing but what the program prints (tsbox never does)', 'q'),
    rm: flag('Remove the container when it exits'),
    'shm-size': text('Size of /dev/shm (64m by default)'),
    tty: flag('Give the container a terminal', 't'),
    ulimit: list('Limit a resource (NAME=SOFT[:HARD], -1 for none)'),
    user: text('Name or id of the user, and the group after a colon', 'u'),
    userns: text('How ids are mapped: auto (default), subid or single'),
    volume: list('Mount a folder or a file of this machine (SRC:DST[:ro])', 'v'),
    workdir: text('Working directory in the container', 'w'),
  },
  refused: RUN_REFUSED,
  async run(values, [image, ...command], { engine, resolve, shell }) {
    if (values.pull !== undefined && values.pull !== 'never') {
      throw new UsageError(`cannot honour --pull=${values.pull}: tsbox does not pull images yet`, { usage: false })
    }
    if (values.interactive && values.tty && !shell.stdin.isTerminal) {
      throw new UsageError('the input device is not a TTY', { exitCode: 1, usage: false })
    }
    const env = [...values['env-file'].flatMap((f) => readEnvFile(resolve(f))), ...values.env]
    for (const e of env) if (/^=|^$/.test(e)) throw new UsageError(`invalid environment variable: "${e}"`)
    const network = networkOf(values.network ?? values.net)
    const userns = usernsOf(values.userns ?? 'auto')
    const limits = await limitsOf(values)
    const isolation = await isolationOf(values)
    const outcome = await (await engine()).run({
      image: image!,
      command,
      entrypoint: values.entrypoint,
      name: values.name,
      remove: values.rm,
      interactive: values.interactive,
      tty: values.tty,
      env,
      volumes: values.volume,
      workdir: values.workdir,
      user: values.user,
      network,
      hostname: values.hostname,
      ...limits,
      ...(isolation ? { isolation } : {}),
      userns,
      // Signals belong to the program in the container: the engine passes them on, nothing here ends the run.
      signal: new AbortController().signal,
    })
    return outcome.exitCode
  },
})

function usernsOf(name: string): 'auto' | 'subid' | 'single' {
  if (name === 'auto' || name === 'subid' || name === 'single') return name
  const mapped = ['keep-id', 'nomap', 'host'].includes(name)
  const why = mapped ? 'layers have owners of one mapping, and only root could show them under another' : 'not known'
  throw new UsageError(`cannot honour --userns=${name}: ${why}`, { hint: 'use auto, subid or single', usage: false })
}

function networkOf(name: string | undefined): 'host' | 'none' {
  if (name === undefined || name === 'host') return 'host'
  if (name === 'none') return 'none'
  throw new UsageError(`cannot honour --network=${name}: containers have the network of the host, or none`, {
    hint: 'use --network=host or --network=none',
    usage: false,
  })
}
