import type { PushedImage, PushForm } from '../../engine/api.js'
import { choice, count, defineCommand, flag } from '../command.js'
import { interruptible } from '../interrupt.js'
import { openProgress, progressMode } from '../progress/open.js'
import { UsageError } from '../usage-error.js'

/** Highest levels of compression; zstd's lowest is 1. */
const MAX_LEVEL = { gzip: 9, zstd: 22 } as const

export const command = defineCommand({
  synopsis: '[OPTIONS] NAME[:TAG]',
  summary: 'Upload an image to a registry',
  arguments: [1, 1],
  options: {
    'all-tags': flag('Upload all tags of the repository', 'a'),
    compression: choice(['gzip', 'zstd', 'uncompressed'], 'How layers that are not packed are packed (default gzip)'),
    'compression-level': count('Level of the compression: 0 to 9 for gzip, 1 to 22 for zstd'),
    'force-compression': flag('Pack all layers so, those that came packed too'),
    format: choice(['oci', 'docker'], 'Kind of manifest (default that of the image)'),
    quiet: flag('Print the name and nothing else', 'q'),
  },
  refused: {
    'disable-content-trust': 'images are not signed while they are pushed',
    platform: 'tsbox stores images of one platform',
  },
  async run(values, [reference], { debug, engine, shell }) {
    const compression = compressionOf(values.compression, values['compression-level'], values['force-compression'])
    return await interruptible(shell, async (signal) => {
      const opened = await engine()
      const progress = await openProgress(progressMode(undefined, values.quiet, shell), shell, debug)
      const form = { compression, format: values.format }
      let pushed: PushedImage[]
      try {
        pushed = await opened.registry.push(
          { reference: reference!, allTags: values['all-tags'], form, signal },
          progress.sink,
        )
      } finally {
        progress.end()
      }
      for (const { digest, name, size } of pushed)
        shell.stdout.write(
          values.quiet ? `${name}\n` : `${name.slice(name.lastIndexOf(':') + 1)}: digest: ${digest} size: ${size}\n`,
        )
      return undefined
    })
  },
})

function compressionOf(
  kind: 'gzip' | 'zstd' | 'uncompressed' | undefined,
  level: number | undefined,
  force: boolean,
): PushForm['compression'] {
  if (kind === undefined && level === undefined && !force) return undefined
  const chosen = kind ?? 'gzip'
  if (level === undefined) return { kind: chosen, force }
  if (chosen === 'uncompressed') throw new UsageError('cannot honour --compression-level: nothing is compressed')
  if (level > MAX_LEVEL[chosen] || (chosen === 'zstd' && level === 0))
    throw new UsageError(
      `invalid argument "${level}" for "--compression-level" flag: ${chosen} has levels up to ${MAX_LEVEL[chosen]}`,
    )
  return { kind: chosen, level, force }
}
