import type { ImageSummary } from '../../engine/api.js'
import { defineCommand, flag, list, text } from '../command.js'
import { formatList, type ListLayout } from '../format/list.js'
import { goTime, humanSize, shortId, since } from '../format/units.js'
import { UsageError } from '../usage-error.js'
import { parseFilters } from './filters.js'

const layout: ListLayout = {
  headings: {
    ID: 'IMAGE ID',
    Repository: 'REPOSITORY',
    Tag: 'TAG',
    Digest: 'DIGEST',
    CreatedSince: 'CREATED',
    CreatedAt: 'CREATED AT',
    Size: 'SIZE',
    Containers: 'CONTAINERS',
    VirtualSize: 'SIZE',
    SharedSize: 'SHARED SIZE',
    UniqueSize: 'UNIQUE SIZE',
  },
  columns: ['Repository', 'Tag', 'ID', 'CreatedSince', 'Size'],
  quiet: 'ID',
}
const withDigests: ListLayout = {
  ...layout,
  columns: ['Repository', 'Tag', 'Digest', 'ID', 'CreatedSince', 'Size'],
}

export const command = defineCommand({
  synopsis: '[OPTIONS] [REPOSITORY[:TAG]]',
  summary: 'List images',
  arguments: [0, 1],
  options: {
    all: flag('Show all images (tsbox keeps no intermediate ones: nothing is hidden)', 'a'),
    digests: flag('Show digests'),
    filter: list(
      'Show only what matches: dangling=BOOL, reference=PATTERN, label=K=V, before=IMAGE, since=IMAGE, until=24h',
      'f',
    ),
    format: text('"table", "table TEMPLATE", "json" or a Go template for each image'),
    'no-trunc': flag("Don't truncate ids"),
    quiet: flag('Only show ids', 'q'),
    tree: flag('Show the platforms of each image, and which containers use'),
  },
  async run(values, [name], { engine, shell }) {
    const filters = parseFilters(values.filter, shell.now())
    const images = await (await engine()).images.list(name, filters)
    if (values.tree) {
      if (values.quiet || values.digests || values.format !== undefined)
        throw new UsageError('--tree excludes --quiet, --digests and --format')
      const { imageTree } = await import('./image-tree.js')
      shell.stdout.write(imageTree(images))
      return undefined
    }
    const rows = images.map((i) => rowOf(i, values['no-trunc'], shell.now()))
    const shown = values.quiet ? rows.filter((r, i) => rows.findIndex((o) => o.ID === r.ID) === i) : rows
    shell.stdout.write(await formatList(values.digests ? withDigests : layout, shown, values.format, values.quiet))
    return undefined
  },
})

function rowOf(image: ImageSummary, full: boolean, now: number): Record<string, string> {
  const size = humanSize(image.sizeBytes)
  return {
    Containers: 'N/A',
    CreatedAt: goTime(image.created),
    CreatedSince: since(image.created, now),
    Digest: image.manifestDigest || '<none>',
    ID: full ? image.id : shortId(image.id),
    Repository: image.repository ?? '<none>',
    SharedSize: 'N/A',
    Size: size,
    Tag: image.tag ?? '<none>',
    UniqueSize: 'N/A',
    VirtualSize: size,
  }
}
