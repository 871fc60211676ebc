import { defineCommand } from '../command.js'
import { commands, type Entry, groups } from '../table.js'

export const command = defineCommand({
  synopsis: '[COMMAND]',
  summary: 'Help about a command',
  arguments: [0, 2],
  options: {},
  async run(_, words, { shell }) {
    if (!words.length) {
      shell.stdout.write(topHelp())
      return undefined
    }
    const { main } = await import('../main.js')
    return await main([...words, '--help'], shell)
  },
})

/** `tsbox help`. */
export function topHelp(): string {
  return `Usage:  tsbox [OPTIONS] COMMAND

Build and run containers as nobody in particular: no daemon, no root

Commands:
${summaries(commands)}
Management commands:
${summaries(groups)}
Options:
  -D, --debug         Show the causes of errors
      --root FOLDER   Folder of the store (default TSBOX_ROOT, else ~/.local/share/tsbox)
  -v, --version       Print the version

Run 'tsbox COMMAND --help' for more information on a command.
`
}

/** `tsbox image`. */
export function groupHelp(name: string): string {
  const group = groups[name]!
  return `Usage:  tsbox ${name} COMMAND

${group.summary}

Commands:
${summaries(group.commands)}
Run 'tsbox ${name} COMMAND --help' for more information on a command.
`
}

function summaries(entries: Readonly<Record<string, Pick<Entry, 'summary' | 'hidden'>>>): string {
  const shown = Object.entries(entries).filter(([, e]) => !e.hidden)
  const width = Math.max(...shown.map(([name]) => name.length)) + 2
  return shown.map(([name, e]) => `  ${name.padEnd(width)}${e.summary}\n`).join('')
}
