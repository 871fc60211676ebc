import type { ContainerSize, ContainerSummary } from '../../engine/api.js'
import { count, defineCommand, flag, list, text } from '../command.js'
import { formatList, type ListLayout } from '../format/list.js'
import { ellipsis, goTime, humanDuration, humanSize, shortId, since } from '../format/units.js'
import { parseFilters } from './filters.js'

const layout: ListLayout = {
  headings: {
    ID: 'CONTAINER ID',
    Image: 'IMAGE',
    Command: 'COMMAND',
    CreatedAt: 'CREATED AT',
    RunningFor: 'CREATED',
    State: 'STATE',
    Status: 'STATUS',
    Ports: 'PORTS',
    Names: 'NAMES',
    Labels: 'LABELS',
    Mounts: 'MOUNTS',
    Networks: 'NETWORKS',
    LocalVolumes: 'LOCAL VOLUMES',
    Size: 'SIZE',
  },
  columns: ['ID', 'Image', 'Command', 'RunningFor', 'Status', 'Ports', 'Names'],
  quiet: 'ID',
}

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'List containers',
  arguments: [0, 0],
  options: {
    all: flag('Show all containers (default shows just running)', 'a'),
    filter: list('Show only those for which it holds (name=X, status=exited, label=K=V, …)', 'f'),
    format: text('"table", "table TEMPLATE", "json" or a Go template for each container'),
    last: count('Show the n last created containers, whatever their state', 'n'),
    latest: flag('Show the latest created container, whatever its state', 'l'),
    'no-trunc': flag("Don't truncate ids and commands"),
    quiet: flag('Only show ids', 'q'),
    size: flag('Show sizes: what a container changed, and with its image', 's'),
  },
  async run(values, _, { engine, shell }) {
    const last = values.latest ? 1 : values.last
    const { containers: all } = await engine()
    const containers = await all.list({
      all: values.all || last !== undefined,
      filters: parseFilters(values.filter, shell.now()),
    })
    const shown = containers.toSorted((a, b) => (a.created < b.created ? 1 : -1)).slice(0, last)
    const rows = shown.map((c) => rowOf(c, values['no-trunc'], shell.now()))
    const sized = values.size || /\.Size\b/.test(values.format ?? '')
    if (sized && !values.quiet) for (const [i, row] of rows.entries()) row.Size = sizeOf(await all.size(shown[i]!.id))
    const columns = values.size ? [...layout.columns, 'Size'] : layout.columns
    shell.stdout.write(await formatList({ ...layout, columns }, rows, values.format, values.quiet))
    return undefined
  },
})

function rowOf(c: ContainerSummary, full: boolean, now: number): Record<string, string> {
  const command = c.command.join(' ')
  return {
    Command: JSON.stringify(full ? command : ellipsis(command, 20)),
    CreatedAt: goTime(c.created),
    ID: full ? c.id : shortId(c.id),
    Image: c.image,
    Names: c.name,
    Ports: '',
    RunningFor: since(c.created, now),
    State: c.status,
    Status: statusOf(c, now),
    Labels: Object.entries(c.labels)
      .map(([k, v]) => `${k}=${v}`)
      .join(','),
    Mounts: c.mounts.map((m) => (full ? m : ellipsis(m, 15))).join(','),
    Networks: c.network,
    LocalVolumes: String(c.mounts.filter((m) => !m.startsWith('/')).length),
    Size: 'N/A',
  }
}

/** Docker's: what a container changed, and that with its image. */
function sizeOf({ changedBytes, totalBytes }: ContainerSize): string {
  return `${humanSize(changedBytes)} (virtual ${humanSize(totalBytes)})`
}

function statusOf(c: ContainerSummary, now: number): string {
  const ago = (time: string | undefined) => (time === undefined ? '' : humanDuration(now - Date.parse(time)))
  if (c.status === 'created') return 'Created'
  if (c.status === 'running') return `Up ${ago(c.started)}`.trimEnd()
  if (c.status === 'paused') return `Up ${ago(c.started)} (Paused)`
  const when = ago(c.finished)
  return `Exited (${c.exitCode ?? 'unknown'})${when && ` ${when} ago`}`
}
