import { defineCommand, flag, text } from '../command.js'
import { parsePointInTime } from '../point-in-time.js'
import { UsageError } from '../usage-error.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER',
  summary: 'Show the output of a container',
  arguments: [1, 1],
  options: {
    details: flag('Show attributes of each line (labels and variables that --log-opt names)'),
    follow: flag('Show what comes until the container stops', 'f'),
    since: text('Show what came after a time (2024-05-06T07:08:09Z) or a while ago (42m)'),
    tail: text('Number of lines from the end, or "all" (default)', 'n'),
    timestamps: flag('Show the time of each line', 't'),
    until: text('Show what came before a time or a while ago'),
  },
  async run(values, [name], { engine, shell }) {
    const { containers } = await engine()
    const time = (option: string, value: string | undefined) =>
      value === undefined ? undefined : parsePointInTime(option, value, shell.now())
    await containers.logs(name!, {
      follow: values.follow,
      tail: tailOf(values.tail),
      since: time('--since', values.since),
      until: time('--until', values.until),
      timestamps: values.timestamps,
      details: values.details,
      stdout: (chunk) => shell.stdout.write(chunk),
      stderr: (chunk) => shell.stderr.write(chunk),
      // Nothing is to be undone: a signal ends the process as it does any other.
      signal: new AbortController().signal,
    })
    return undefined
  },
})

function tailOf(value: string | undefined): number | undefined {
  // As docker: a negative number is all.
  if (value === undefined || value === 'all' || /^-\d+$/.test(value)) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value)
  throw new UsageError(`invalid argument "${value}" for "-n, --tail" flag: neither a whole number nor "all"`)
}
