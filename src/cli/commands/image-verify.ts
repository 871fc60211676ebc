import type { ImageVerdict } from '../../engine/api.js'
import { choice, defineCommand, flag } from '../command.js'
import { humanSize } from '../format/units.js'
import { withSpinner } from '../spinner.js'
import { UsageError } from '../usage-error.js'

export const command = defineCommand({
  synopsis: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Read every byte of images again and compare it with their digests',
  arguments: [0, Number.POSITIVE_INFINITY],
  options: {
    all: flag('Every image of the store', 'a'),
    format: choice(['text', 'json'], 'How the verdicts are printed; default text'),
    quiet: flag('Only print what is wrong', 'q'),
  },
  async run(values, references, { engine, shell }) {
    if (values.all === references.length > 0)
      throw new UsageError('name the images, or give --all for every one of the store')
    const opened = await engine()
    const verdicts = await withSpinner(shell, 'Reading images', () =>
      opened.images.verify(values.all ? undefined : references),
    )
    const bad = verdicts.filter((v) => v.problems.length > 0)
    const shown = values.quiet ? bad : verdicts
    shell.stdout.write(values.format === 'json' ? `${JSON.stringify(shown)}\n` : shown.map(textOf).join(''))
    return bad.length ? 1 : 0
  },
})

function textOf({ name, manifestDigest, blobs, sizeBytes, problems }: ImageVerdict): string {
  const head = `${name} ${manifestDigest}`
  if (problems.length === 0) return `${head}: ok, ${blobs} blobs, ${humanSize(sizeBytes)}\n`
  return `${head}: damaged\n${problems.map((p) => `  ${p}\n`).join('')}`
}
