import { readFileSync } from 'node:fs'
import { TsboxError } from '../../base/error.js'
import type { LogRequest, RunRequest, StreamName } from '../../engine/api.js'
import { choice, flag, list, text, type Values } from '../command.js'
import { readEnvFile } from '../env-file.js'
import { UsageError } from '../usage-error.js'
import { limitsOf } from './limits-given.js'
import { ISOLATION_OPTIONS, isolationOf } from './run-isolation.js'
import { METADATA_OPTIONS, metadataOf } from './run-metadata.js'
import { RESOURCE_OPTIONS, resourcesOf } from './run-resources.js'
import { USERNS, usernsOf } from './userns.js'

/** Options that `run` and `create` share. */
export const CREATE_OPTIONS = {
  ...ISOLATION_OPTIONS,
  attach: list('Join only these of the streams: stdin, stdout, stderr', 'a'),
  ...METADATA_OPTIONS,
  ...RESOURCE_OPTIONS,
  cidfile: text('Write the id of the container to a file'),
  entrypoint: text('Replace the ENTRYPOINT of the image'),
  env: list('Set an environment variable (K=V, or K to pass it on)', 'e'),
  'env-file': list('Read environment variables from a file'),
  hostname: text('Host name of the container', 'h'),
  init: flag('Reap zombies and forward signals (tsbox always does)'),
  interactive: flag('Keep standard input open', 'i'),
  label: list('Set a label of the container (K=V)', 'l'),
  'label-file': list('Read labels from a file'),
  'log-driver': text('How output is kept: json-file (default), local or none'),
  'log-opt': list('Option of the log (max-size=10m, max-file=3, labels=K, env=K)'),
  name: text('Name of the container'),
  net: text('The same as --network'),
  network: text('Network of the container: host (default), none or container:NAME'),
  pull: choice(['missing', 'always', 'never'], 'When the image is asked for at its registry (missing by default)'),
  quiet: flag('Show nothing but what the program prints (tsbox never does)', 'q'),
  rm: flag('Remove the container when it exits'),
  'shm-size': text('Size of /dev/shm (64m by default)'),
  'stop-signal': text('Signal that stops the container'),
  'stop-timeout': text('Seconds until a container that is stopped is killed (-1: never)'),
  tty: flag('Give the container a terminal', 't'),
  ulimit: list('Limit a resource (NAME=SOFT[:HARD], -1 for none)'),
  user: text('Name or id of the user, and the group after a colon', 'u'),
  userns: text(
    'How ids are mapped: auto (default), subid, single[:no-stat|:errno], keep-id, or host (as root: not at all)',
  ),
  volume: list('Mount a folder or a file of this machine (SRC:DST[:ro])', 'v'),
  workdir: text('Working directory in the container', 'w'),
}

/** @param resolve path of a file named by the user. @throws {UsageError} for what can't be meant */
export async function createRequest(
  values: Values<typeof CREATE_OPTIONS>,
  [image, ...command]: readonly string[],
  resolve: (path: string) => string,
): Promise<Omit<RunRequest, 'signal' | 'onCreated'>> {
  const env = [...values['env-file'].flatMap((f) => readEnvFile(resolve(f))), ...values.env]
  for (const e of env) if (/^=|^$/.test(e)) throw new UsageError(`invalid environment variable: "${e}"`)
  const limits = await limitsOf(values)
  const { network, networkOf } = networkFrom(values.network ?? values.net)
  const isolation = await isolationOf(values, networkOf)
  const resources = await resourcesOf(values)
  return {
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
    ...(resources ? { resources } : {}),
    ...metadataOf(values),
    ...idsOf(values.userns),
    ...(values.attach.length ? { attach: values.attach.map(streamOf) } : {}),
    ...logOf(values['log-driver'], values['log-opt']),
    labels: labelsOf([...values['label-file'].flatMap((f) => linesOf(resolve(f))), ...values.label]),
    stopSignal: values['stop-signal'],
    stopTimeoutSeconds: secondsOf('--stop-timeout', values['stop-timeout']),
  }
}

function streamOf(name: string): StreamName {
  const lower = name.toLowerCase()
  if (lower === 'stdin' || lower === 'stdout' || lower === 'stderr') return lower
  throw new UsageError(`invalid argument "${name}" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR`)
}

function logOf(driver: string | undefined, given: readonly string[]): { log?: LogRequest } {
  const options = Object.fromEntries(given.map((o) => o.split(/=(.*)/s) as [string, string | undefined]))
  for (const [key, value] of Object.entries(options))
    if (value === undefined || key === '')
      throw new UsageError(`invalid argument "${key}" for "--log-opt" flag: it is not KEY=VALUE`)
  if (driver === 'none' && given.length) throw new UsageError('invalid logging opts for driver none', { usage: false })
  const asked = driver !== undefined || given.length > 0
  return asked ? { log: { driver: driver || undefined, options: options as Record<string, string> } } : {}
}

function idsOf(name: string | undefined): Pick<RunRequest, 'userns' | 'emulation'> {
  if (name === 'keep-id') return { userns: name }
  const known = USERNS.find((u) => u === name)
  if (name === undefined || name === '' || known) return usernsOf(known)
  const why =
    name === 'nomap'
      ? 'layers are extracted with owners of one mapping, and only root could show them under another'
      : 'not known'
  throw new UsageError(`cannot honour --userns=${name}: ${why}`, {
    hint: 'use auto, subid, single, keep-id, or as root host',
    usage: false,
  })
}

function networkFrom(name: string | undefined): { network: 'host' | 'none'; networkOf?: string } {
  if (name === undefined || name === 'host') return { network: 'host' }
  if (name === 'none') return { network: 'none' }
  if (/^container:./.test(name)) return { network: 'none', networkOf: name.slice('container:'.length) }
  throw new UsageError(`cannot honour --network=${name}: containers have the network of the host, or none`, {
    hint: 'use --network=host, --network=none or --network=container:NAME',
    usage: false,
  })
}

/** A whole number of seconds, which may be negative. @throws {UsageError} */
export function secondsOf(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^-?\d{1,9}$/.test(value)) return Number(value)
  throw new UsageError(`invalid argument "${value}" for "${option}" flag: not a whole number`)
}

function labelsOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const eq = line.indexOf('=')
      const key = eq < 0 ? line : line.slice(0, eq)
      if (key === '') throw new UsageError(`invalid label format: "${line}"`)
      return [key, eq < 0 ? '' : line.slice(eq + 1)]
    }),
  )
}

function linesOf(path: string): string[] {
  try {
    const lines = readFileSync(path, 'utf8').split(/\r?\n/)
    return lines.map((l) => l.trimStart()).filter((l) => l !== '' && !l.startsWith('#'))
  } catch (err) {
    throw new TsboxError('E_LABEL_FILE', `cannot read labels from "${path}": ${(err as Error).message}`, {
      exitCode: 125,
      cause: err,
    })
  }
}
