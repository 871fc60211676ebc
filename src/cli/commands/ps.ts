import type { ContainerSummary } from '../../engine/api.js'
import { count, defineCommand, flag, text } from '../command.js'
import { formatList, type ListLayout } from '../format/list.js'
import { ellipsis, goTime, shortId, since } from '../format/units.js'

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
    format: text('"table", "table TEMPLATE", "json" or a Go template for each container'),
    last: count('Show the n last created containers, whatever their state', 'n'),
    latest: flag('Show the latest created container, whatever its state', 'l'),
    'no-trunc': flag("Don't truncate ids and commands"),
    quiet: flag('Only show ids', 'q'),
  },
  refused: { 'filter,f': 'containers are not filtered yet', 'size,s': 'sizes of containers are not kept' },
  async run(values, _, { engine, shell }) {
    const last = values.latest ? 1 : values.last
    const containers = await (await engine()).containers.list({ all: values.all || last !== undefined })
    const rows = containers
      .toSorted((a, b) => (a.created < b.created ? 1 : -1))
      .slice(0, last)
      .map((c) => rowOf(c, values['no-trunc'], shell.now()))
    shell.stdout.write(await formatList(layout, rows, values.format, values.quiet))
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
    Status: statusOf(c),
  }
}

function statusOf(c: ContainerSummary): string {
  if (c.status === 'exited') return `Exited (${c.exitCode ?? 'unknown'})`
  return c.status === 'running' ? 'Up' : 'Created'
}
