import { defineCommand, text } from '../command.js'
import { secondsOf } from './create-options.js'
import { forEach } from './each.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Restart one or more containers',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: {
    signal: text("Signal to send (default the container's, else SIGTERM)", 's'),
    time: text('The same as --timeout'),
    timeout: text('Seconds until it is killed (default 10; -1: never)', 't'),
  },
  async run(values, names, { engine, shell }) {
    const { containers } = await engine()
    const timeoutSeconds = secondsOf('-t, --timeout', values.timeout ?? values.time)
    await forEach(names, shell, async (name) => {
      await containers.restart(name, { timeoutSeconds, signal: values.signal })
      return name
    })
    return undefined
  },
})
