import type { DiskUsage } from '../../engine/api.js'
import { defineCommand, flag, text } from '../command.js'
import { formatList, type ListLayout } from '../format/list.js'
import { humanSize } from '../format/units.js'
import { withSpinner } from '../spinner.js'
import { UsageError } from '../usage-error.js'

const layout: ListLayout = {
  headings: { Type: 'TYPE', TotalCount: 'TOTAL', Active: 'ACTIVE', Size: 'SIZE', Reclaimable: 'RECLAIMABLE' },
  columns: ['Type', 'TotalCount', 'Active', 'Size', 'Reclaimable'],
  quiet: 'Type',
}

export const command = defineCommand({
  synopsis: '[OPTIONS]',
  summary: 'Show how much room images, containers, volumes and the build cache take',
  arguments: [0, 0],
  options: {
    format: text('"table", "table TEMPLATE", "json" or a Go template for each kind'),
    verbose: flag('Show each image, container, volume and piece of the cache', 'v'),
  },
  async run(values, _, { engine, shell }) {
    if (values.verbose && values.format !== undefined) throw new UsageError('--format and --verbose exclude each other')
    const opened = await engine()
    const usage = await withSpinner(shell, 'Measuring', () => opened.system.usage())
    if (values.verbose) {
      const { usageTables } = await import('./system-df-verbose.js')
      shell.stdout.write(await usageTables(usage, shell.now()))
    } else shell.stdout.write(await formatList(layout, kinds(usage), values.format, false))
    return undefined
  },
})

/** Docker's four rows. */
function kinds(usage: DiskUsage): Record<string, string>[] {
  const { images, containers, volumes, cache } = usage
  const idle = containers.filter((c) => c.status !== 'running' && c.status !== 'paused')
  const loose = volumes.filter((v) => v.links === 0)
  const free = cache.filter((u) => !u.inUse)
  const ids = new Set(images.map((i) => i.id))
  const used = new Set(images.filter((i) => i.containers > 0).map((i) => i.id))
  return [
    row('Images', ids.size, used.size, usage.layersBytes, usage.layersBytes - usage.activeLayersBytes),
    row('Containers', containers.length, containers.length - idle.length, sum(containers), sum(idle)),
    row('Local Volumes', volumes.length, volumes.length - loose.length, sum(volumes), sum(loose)),
    row('Build Cache', cache.length, cache.length - free.length, sum(cache), sum(free.filter((u) => !u.shared))),
  ]
}

function sum(all: readonly { sizeBytes: number }[]): number {
  return all.reduce((bytes, u) => bytes + u.sizeBytes, 0)
}

function row(type: string, total: number, active: number, bytes: number, free: number): Record<string, string> {
  const share = bytes > 0 ? ` (${Math.trunc((free / bytes) * 100)}%)` : ''
  return {
    Type: type,
    TotalCount: String(total),
    Active: String(active),
    Size: humanSize(bytes, 4),
    // Docker gives no share of the build cache.
    Reclaimable: `${humanSize(free, 4)}${type === 'Build Cache' ? '' : share}`,
  }
}
