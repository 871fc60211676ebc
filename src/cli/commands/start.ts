import { defineCommand, flag, text } from '../command.js'
import { UsageError } from '../usage-error.js'
import { forEach } from './each.js'
import { streamRequest } from './stream-request.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Start one or more stopped containers',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: {
    attach: flag('Show its output and pass signals on', 'a'),
    interactive: flag('Give it standard input', 'i'),
    'detach-keys': text('Keys that leave a container with a terminal (default ctrl-p,ctrl-q)'),
    'sig-proxy': flag('Pass signals on (default, with --attach)'),
  },
  initially: { 'sig-proxy': true },
  refused: { checkpoint: 'there are no checkpoints', 'checkpoint-dir': 'there are no checkpoints' },
  async run(values, names, { engine, shell }) {
    const { containers } = await engine()
    if (!values.attach && !values.interactive) {
      await forEach(names, shell, async (name) => {
        await containers.start(name)
        return name
      })
      return undefined
    }
    if (names.length > 1)
      throw new UsageError('you cannot start and attach multiple containers at once', { exitCode: 1 })
    const options = {
      stdin: values.interactive,
      sigProxy: values['sig-proxy'],
      detachKeys: values['detach-keys'],
    }
    return await containers.startAttached(names[0]!, streamRequest(shell, options))
  },
})
