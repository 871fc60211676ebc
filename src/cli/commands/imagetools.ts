import { isIndex } from '../../oci/manifest.js'
import { defineCommand, flag, list, text } from '../command.js'
import { interruptible } from '../interrupt.js'
import { UsageError } from '../usage-error.js'

export const create = defineCommand({
  synopsis: '[OPTIONS] SOURCE [SOURCE...]',
  summary: 'Make an index of images of registries and upload it',
  arguments: [1, Number.POSITIVE_INFINITY],
  options: {
    append: flag('Add to what the first tag names now'),
    'dry-run': flag('Show the index instead of uploading it'),
    tag: list('Name that the index gets', 't'),
  },
  refused: {
    builder: 'there is one builder',
    annotation: 'the index says what its images say',
    file: 'name the sources',
  },
  run: async (values, sources, { engine, shell }) =>
    interruptible(shell, async (signal) => {
      const dryRun = values['dry-run']
      if (values.tag.length === 0 && !dryRun) throw new UsageError('--tag is required: the name that the index gets')
      const { manifests } = await engine()
      const made = await manifests.combine(values.tag, sources, { append: values.append, dryRun, signal })
      shell.stdout.write(dryRun ? `${JSON.stringify(made.index, null, 2)}\n` : `${made.digest}\n`)
      return undefined
    }),
})

export const inspect = defineCommand({
  synopsis: '[OPTIONS] NAME',
  summary: 'Show an image or index of a registry',
  arguments: [1, 1],
  options: {
    format: text('"json" or a Go template; default a summary'),
    raw: flag('Show the manifest as it is'),
  },
  refused: { builder: 'there is one builder' },
  run: async (values, [name], { engine, shell }) =>
    interruptible(shell, async (signal) => {
      const found = await (await engine()).manifests.inspect(name!, signal)
      const { descriptor, document } = found
      const value = { Name: found.name, MediaType: descriptor.mediaType, Digest: descriptor.digest, Manifest: document }
      if (values.raw) shell.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
      else if (values.format === 'json') shell.stdout.write(`${JSON.stringify(value)}\n`)
      else if (values.format !== undefined) {
        const { compileTemplate } = await import('../format/template.js')
        shell.stdout.write(
          `${compileTemplate(values.format)({ name: found.name, manifest: { ...document, digest: descriptor.digest }, ...value })}\n`,
        )
      } else {
        const lines = [
          `Name:      ${found.name}`,
          `MediaType: ${descriptor.mediaType}`,
          `Digest:    ${descriptor.digest}`,
        ]
        if (isIndex(document)) {
          lines.push('', 'Manifests:')
          for (const { digest, mediaType, platform } of document.manifests) {
            const shown = platform
              ? [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
              : 'unknown'
            lines.push(
              `  Name:      ${found.name.replace(/[:@][^/]*$/, '')}@${digest}`,
              `  MediaType: ${mediaType}`,
              `  Platform:  ${shown}`,
              '',
            )
          }
        }
        shell.stdout.write(`${lines.join('\n').trimEnd()}\n`)
      }
      return undefined
    }),
})
