import type { CopyFrom, CopyTo } from '../../engine/api.js'
import { defineCommand, flag } from '../command.js'
import { humanSize } from '../format/units.js'
import type { Shell } from '../shell.js'
import { UsageError } from '../usage-error.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n        tsbox cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  summary: 'Copy files between a container and this machine',
  arguments: [2, 2],
  options: {
    archive: flag('Into a container: keep the ids that files have here', 'a'),
    'follow-link': flag('Copy what a link at SRC_PATH leads to', 'L'),
    quiet: flag('Do not say what was copied (default where there is no terminal)', 'q'),
  },
  async run(values, [source, destination], { engine, shell }) {
    const from = split(source!)
    const to = split(destination!)
    const options = { archive: values.archive, followLink: values['follow-link'] }
    if (source === '' || destination === '') throw wrong(`${source === '' ? 'source' : 'destination'} can not be empty`)
    if (from.container !== undefined && to.container !== undefined)
      throw wrong('copying between containers is not supported')
    if (from.container === undefined && to.container === undefined)
      throw wrong('must specify at least one container source')
    const { containers } = await engine()
    const bytes =
      from.container === undefined
        ? await containers.copyIn(to.container!, sourceOf(from.path, shell), to.path, options)
        : await containers.copyOut(from.container, from.path, destinationOf(to.path, shell), options)
    if (!values.quiet && shell.stdout.isTerminal && destination !== '-')
      shell.stderr.write(`Successfully copied ${humanSize(bytes, 3)} to ${destination}\n`)
    return undefined
  },
})

/** `CONTAINER:PATH`, or a path of this machine: one that is absolute or begins with a dot always is. */
function split(argument: string): { container: string | undefined; path: string } {
  const colon = argument.indexOf(':')
  if (colon < 0 || argument.startsWith('/') || argument.startsWith('.')) return { container: undefined, path: argument }
  return { container: argument.slice(0, colon), path: argument.slice(colon + 1) }
}

function sourceOf(path: string, shell: Shell): CopyFrom {
  return path === '-' ? { tar: shell.stdin.stream() } : { path, cwd: shell.cwd }
}

function destinationOf(path: string, shell: Shell): CopyTo {
  return path === '-' ? { tar: (chunk) => shell.stdout.write(chunk) } : { path, cwd: shell.cwd }
}

function wrong(message: string): UsageError {
  return new UsageError(message, { exitCode: 1, usage: false })
}
