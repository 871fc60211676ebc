import { TsboxError } from '../../base/error.js'
import type { ImageSummary } from '../../engine/api.js'
import { defineCommand, flag, list, text } from '../command.js'
import { formatList, type ListLayout } from '../format/list.js'
import { goTime, humanSize, shortId, since } from '../format/units.js'

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
    filter: list('Show only what matches: dangling=BOOL, reference=PATTERN', 'f'),
    format: text('"table", "table TEMPLATE", "json" or a Go template for each image'),
    'no-trunc': flag("Don't truncate ids"),
    quiet: flag('Only show ids', 'q'),
  },
  refused: { tree: 'tsbox stores images of one platform' },
  async run(values, [name], { engine, shell }) {
    const accepts = filterOf(values.filter)
    const images = (await (await engine()).images.list(name)).filter(accepts)
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

type Accepts = (image: ImageSummary) => boolean

function filterOf(filters: readonly string[]): Accepts {
  const dangling: Accepts[] = []
  const references: Accepts[] = []
  for (const filter of filters) {
    const [key, value] = filter.split(/=(.*)/s) as [string, string | undefined]
    if (value === undefined) throw bad(filter, 'write it as KEY=VALUE')
    if (key === 'dangling') {
      if (!/^(true|false|0|1)$/.test(value)) throw bad(filter, 'dangling is true or false')
      dangling.push((i) => (i.repository === undefined) === (value === 'true' || value === '1'))
    } else if (key === 'reference') {
      const pattern = globPattern(value)
      references.push((i) => i.repository !== undefined && matches(pattern, value, i))
    } else throw bad(filter, 'filters are dangling and reference')
  }
  return (image) => dangling.every((f) => f(image)) && (!references.length || references.some((f) => f(image)))
}

function matches(pattern: RegExp, text: string, image: ImageSummary): boolean {
  const hasTag = text.slice(text.lastIndexOf('/') + 1).includes(':')
  return pattern.test(hasTag ? `${image.repository}:${image.tag}` : image.repository!)
}

/** Go's path.Match: a star stays within one part. */
function globPattern(glob: string): RegExp {
  const source = glob.replace(/\*|\?|\[[^\]]*\]|[^*?[]+|\[/g, (m) => {
    if (m === '*') return '[^/]*'
    if (m === '?') return '[^/]'
    if (m.length > 2 && m.startsWith('[') && m.endsWith(']')) return m
    return m.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${source}$`)
}

function bad(filter: string, hint: string): TsboxError {
  return new TsboxError('E_FILTER', `cannot list images: filter "${filter}" is not known`, { hint })
}
