import { resolve } from 'node:path'
import type { TsboxError } from '../base/error.js'
import type { Engine } from '../engine/api.js'
import { normaliseArgv } from './argv.js'
import { closest } from './closest.js'
import { type Command, defineCommand, flag, type OptionTable, text } from './command.js'
import { parseArguments } from './parse.js'
import { whyNotYet } from './planned.js'
import { reportError } from './report.js'
import type { Context, Shell } from './shell.js'
import { commands, type Entry, groups } from './table.js'
import { UsageError } from './usage-error.js'
import { versionLine } from './version.js'

/** Options that every command has, before its name or after it. */
const GLOBAL = {
  root: text('Folder of the store (default TSBOX_ROOT, else ~/.local/share/tsbox)'),
  debug: flag('Show the causes of errors', 'D'),
} satisfies OptionTable

const NO_DAEMON = 'there is no daemon to connect to, tsbox does the work itself'

const top = defineCommand({
  synopsis: '[OPTIONS] COMMAND [ARG...]',
  summary: '',
  arguments: [0, Number.POSITIVE_INFINITY],
  options: { ...GLOBAL, version: flag('Print the version', 'v') },
  refused: {
    'host,H': NO_DAEMON,
    'context,c': NO_DAEMON,
    config: 'tsbox has no configuration file yet',
    'log-level,l': 'use --debug',
    tls: NO_DAEMON,
    tlsverify: NO_DAEMON,
    tlscacert: NO_DAEMON,
    tlscert: NO_DAEMON,
    tlskey: NO_DAEMON,
  },
  stopsAtArgument: true,
  run: async () => 0,
})

/** What is known of the call when an error has to be told. */
interface Call {
  name: string
  command: Command
  debug: boolean
}

/**
 * Runs one command line.
 *
 * @param argv what follows the program's name
 * @returns the exit status, docker's: 125 for options and the engine under `run`, 1 for other failures
 */
export async function main(argv: readonly string[], shell: Shell): Promise<number> {
  const call: Call = { name: 'tsbox', command: top, debug: argv[0] === '--debug' || argv[0] === '-D' }
  try {
    return await dispatch(argv, shell, call)
  } catch (err) {
    return await reportError(err, shell, call)
  }
}

async function dispatch(argv: readonly string[], shell: Shell, call: Call): Promise<number> {
  const global = normaliseArgv(argv, top)
  const options = new Map(global.options.map((o) => o.slice(2).split(/=(.*)/s) as [string, string]))
  call.debug ||= options.get('debug') === 'true'
  if (options.get('version') === 'true') {
    shell.stdout.write(`${versionLine}\n`)
    return 0
  }
  const found = find(global.args)
  if (global.help || !found || isPlainHelp(found)) {
    const { topHelp } = await import('./commands/help.js')
    shell.stdout.write(topHelp())
    return 0
  }
  if (!('entry' in found)) {
    const { groupHelp } = await import('./commands/help.js')
    shell.stdout.write(groupHelp(found.group))
    return 0
  }
  const loaded = (await found.entry.load()).command
  const command: Command = { ...loaded, options: { ...loaded.options, ...GLOBAL } }
  call.name = found.name
  call.command = command
  return await invoke(command, found.rest, shell, call, options.get('root'))
}

async function invoke(
  command: Command,
  argv: readonly string[],
  shell: Shell,
  call: Call,
  globalRoot: string | undefined,
): Promise<number> {
  const parsed = parseArguments(command, call.name, argv)
  if (parsed.help) {
    const { helpText } = await import('./help-text.js')
    shell.stdout.write(await helpText(command, call.name, shell.stdout.columns()))
    return 0
  }
  call.debug ||= parsed.values.debug as unknown as boolean
  const root = (parsed.values.root as string | undefined) ?? globalRoot
  let opened: Promise<Engine> | undefined
  const context: Context = {
    shell,
    debug: call.debug,
    name: call.name,
    resolve: (path) => resolve(shell.cwd, path),
    engine: () => {
      opened ??= shell.openEngine({
        root: root === undefined ? undefined : resolve(shell.cwd, root),
        env: shell.env,
        warn: (message) => shell.stderr.write(`tsbox: warning: ${message}\n`),
      })
      return opened
    },
  }
  try {
    return (await command.run(parsed.values, parsed.args, context)) ?? 0
  } finally {
    await opened?.then(
      (engine) => engine.close(),
      // The command has failed with this error already.
      () => undefined,
    )
  }
}

type Found = { name: string; entry: Entry; rest: readonly string[] } | { name: string; group: string }

/** `tsbox help` alone needs no parser. */
function isPlainHelp(found: Found): boolean {
  return found.name === 'tsbox help' && 'rest' in found && !found.rest.length
}

/** The command that words name; undefined for no words. */
function find(words: readonly string[]): Found | undefined {
  const [first, second] = words
  if (first === undefined) return undefined
  if (Object.hasOwn(commands, first)) return { name: `tsbox ${first}`, entry: commands[first]!, rest: words.slice(1) }
  if (!Object.hasOwn(groups, first)) throw unknownCommand('', first, [...Object.keys(commands), ...Object.keys(groups)])
  const group = groups[first]!
  if (second === undefined || second === '--help' || second === '-h') return { name: `tsbox ${first}`, group: first }
  if (second.startsWith('-')) throw new UsageError(`unknown flag: ${second}`, { usage: false })
  if (!Object.hasOwn(group.commands, second)) throw unknownCommand(`${first} `, second, Object.keys(group.commands))
  return { name: `tsbox ${first} ${second}`, entry: group.commands[second]!, rest: words.slice(2) }
}

function unknownCommand(before: string, word: string, known: readonly string[]): TsboxError {
  const why = before === '' ? whyNotYet(word) : undefined
  if (why !== undefined)
    return new UsageError(`no such command yet: tsbox ${word}: ${why}`, { exitCode: 1, usage: false })
  const near = closest(word, known)
  return new UsageError(`unknown command: tsbox ${before}${word}`, {
    exitCode: 1,
    hint: near && `did you mean tsbox ${before}${near}?`,
    usage: false,
  })
}
