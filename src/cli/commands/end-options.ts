import type { ContainerEngine } from '../../engine/api.js'
import { type Command, defineCommand, text } from '../command.js'
import { secondsOf } from './create-options.js'
import { forEach } from './each.js'

/** `stop` and `restart`: they end containers in the same way. */
export function endingCommand(summary: string, what: 'stop' | 'restart'): Command {
  return defineCommand({
    synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
    summary,
    arguments: [1, Number.POSITIVE_INFINITY],
    options: {
      signal: text("Signal to send (default the container's, else SIGTERM)", 's'),
      time: text('The same as --timeout'),
      timeout: text('Seconds until it is killed (default 10; -1: never)', 't'),
    },
    async run(values, names, { engine, shell }) {
      const containers: ContainerEngine = (await engine()).containers
      const timeoutSeconds = secondsOf('-t, --timeout', values.timeout ?? values.time)
      await forEach(names, shell, async (name) => {
        await containers[what](name, { timeoutSeconds, signal: values.signal })
        return name
      })
      return undefined
    },
  })
}
