import type { PulledImage } from '../../engine/api.js'
import { defineCommand, flag, text } from '../command.js'
import { interruptible } from '../interrupt.js'
import { openProgress, progressMode } from '../progress/open.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] NAME[:TAG|@DIGEST]',
  summary: 'Download an image from a registry',
  arguments: [1, 1],
  options: {
    'all-tags': flag('Download all tags of the repository', 'a'),
    platform: text('Platform of the image (default DOCKER_DEFAULT_PLATFORM, else that of this machine)'),
    quiet: flag('Print the name and nothing else', 'q'),
  },
  refused: { 'disable-content-trust': 'what may be pulled is said by policy.json' },
  async run(values, [reference], { debug, engine, shell }) {
    return await interruptible(shell, async (signal) => {
      const opened = await engine()
      const progress = await openProgress(progressMode(undefined, values.quiet, shell), shell, debug)
      const request = { reference: reference!, allTags: values['all-tags'], platform: values.platform, signal }
      let pulled: PulledImage[]
      try {
        pulled = await opened.registry.pull(request, progress.sink)
      } finally {
        progress.end()
      }
      shell.stdout.write(pulled.map((image) => (values.quiet ? `${image.name}\n` : described(image))).join(''))
      return undefined
    })
  },
})

/** As docker ends its list of layers. */
function described({ digest, familiar, isNew, name }: PulledImage): string {
  const status = isNew ? 'Downloaded newer image for' : 'Image is up to date for'
  return `Digest: ${digest}\nStatus: ${status} ${familiar}\n${name}\n`
}
