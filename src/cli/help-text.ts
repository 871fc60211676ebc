import yargs from 'yargs'
import type { Command } from './command.js'
import { usageLine } from './usage-line.js'

/** Text of `--help`. @param columns width of the terminal */
export async function helpText(command: Command, name: string, columns: number): Promise<string> {
  const help = await yargs([])
    .scriptName(name)
    .locale('en')
    .help(false)
    .version(false)
    .options(command.options)
    .usage(`Usage:  ${usageLine(command, name)}\n\n${command.summary}`)
    .wrap(null)
    .getHelp()
  // yargs ends each line with the type of the value; the sentence before it says what is expected.
  const lines = help.split('\n').map((l) => l.replace(/\s*\[(?:boolean|string|number|array)\]/g, '').trimEnd())
  return `${lines.flatMap((l) => wrapOption(l, Math.min(columns, 100))).join('\n')}\n`
}

/** Breaks the description of one option between words, each line below the first. */
function wrapOption(line: string, columns: number): string[] {
  const at = /^ +-.*? {2,}(?=[^ -])/.exec(line)?.[0].length
  if (at === undefined || line.length <= columns || columns - at < 20) return [line]
  const lines = [line.slice(0, at)]
  for (const word of line.slice(at).split(' ')) {
    const current = lines.length - 1
    const gap = lines[current]!.length > at ? ' ' : ''
    if (gap && lines[current]!.length + word.length >= columns) lines.push(' '.repeat(at) + word)
    else lines[current] += gap + word
  }
  return lines
}
