import { defineCommand, flag, text } from '../command.js'
import { interruptible } from '../interrupt.js'
import { openProgress, progressMode } from '../progress/open.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] SOURCE DESTINATION',
  summary: 'Copy an image between registries, archives and folders, without the store',
  arguments: [2, 2],
  options: {
    all: flag('Copy the images of all platforms, with the index', 'a'),
    platform: text('Platform of the image (default DOCKER_DEFAULT_PLATFORM, else that of this machine)'),
    quiet: flag('Print the digest and nothing else', 'q'),
  },
  refused: {
    'dest-compress': 'images are copied byte for byte: tsbox pull and tsbox push --compression pack anew',
    format: 'images are copied byte for byte: tsbox pull and tsbox push --format write another manifest',
  },
  async run(values, [from, to], { debug, engine, resolve, shell }) {
    return await interruptible(shell, async (signal) => {
      const opened = await engine()
      const progress = await openProgress(progressMode(undefined, values.quiet, shell), shell, debug)
      const { all, platform } = values
      let digest: string
      try {
        digest = await opened.registry.copy({ from: from!, to: to!, resolve, all, platform, signal }, progress.sink)
      } finally {
        progress.end()
      }
      shell.stdout.write(`${digest}\n`)
      return undefined
    })
  },
})
