import type { CacheUsage } from '../../engine/api.js'
import { formatList, type ListLayout } from '../format/list.js'
import { goTime, humanDuration, humanSize } from '../format/units.js'

const layout: ListLayout = {
  headings: {
    ID: 'ID',
    Reclaimable: 'RECLAIMABLE',
    Size: 'SIZE',
    LastUsedAt: 'LAST ACCESSED',
    CreatedAt: 'CREATED AT',
    Description: 'DESCRIPTION',
    InUse: 'IN USE',
    Mutable: 'MUTABLE',
    Shared: 'SHARED',
    Type: 'TYPE',
  },
  columns: ['ID', 'Reclaimable', 'Size', 'LastUsedAt'],
  quiet: 'ID',
}

/** How `du` and `prune` show the pieces of the cache. */
export interface UsageView {
  format?: string | undefined
  verbose: boolean
  /** Milliseconds since 1970. */
  now: number
}

/** Rows as buildx has them: `*` marks what changes with use, and sizes that an image shares. */
export async function usageList(all: readonly CacheUsage[], { format, verbose, now }: UsageView): Promise<string> {
  if (verbose) return all.map((u) => `${details(u, now)}\n`).join('')
  const table = format === undefined || /^table\b/.test(format.trim())
  return formatList(
    layout,
    all.map((u) => rowOf(u, now, table)),
    format,
    false,
  )
}

function rowOf(u: CacheUsage, now: number, marked: boolean): Record<string, string> {
  return {
    CreatedAt: goTime(new Date(u.createdMs).toISOString()),
    Description: u.description,
    ID: marked && u.mutable ? `${u.id}*` : u.id,
    InUse: String(u.inUse),
    LastUsedAt: `${humanDuration(Math.max(0, now - u.usedMs))} ago`,
    Mutable: String(u.mutable),
    Reclaimable: String(!u.inUse),
    Shared: String(u.shared),
    Size: humanSize(u.sizeBytes, 4) + (marked && u.shared ? '*' : ''),
    Type: u.type,
  }
}

function details(u: CacheUsage, now: number): string {
  const fields: [string, string][] = [
    ['ID', u.id],
    ['Created at', goTime(new Date(u.createdMs).toISOString())],
    ['Mutable', String(u.mutable)],
    ['Reclaimable', String(!u.inUse)],
    ['Shared', String(u.shared)],
    ['Size', humanSize(u.sizeBytes, 4)],
    ['Description', u.description],
    ['Last used', `${humanDuration(Math.max(0, now - u.usedMs))} ago`],
    ['Type', u.type],
  ]
  return fields
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${`${name}:`.padEnd(16)}${value}\n`)
    .join('')
}

/** Lines below a list of what is there. */
export function usageSummary(all: readonly CacheUsage[]): string {
  const shared = sum(all.filter((u) => u.shared))
  const total = sum(all)
  const lines: [string, number][] = [
    ...(shared > 0
      ? ([
          ['Shared', shared],
          ['Private', total - shared],
        ] as [string, number][])
      : []),
    ['Reclaimable', sum(all.filter((u) => !u.inUse))],
    ['Total', total],
  ]
  return lines.map(([name, bytes]) => `${`${name}:`.padEnd(16)}${humanSize(bytes, 4)}\n`).join('')
}

function sum(all: readonly CacheUsage[]): number {
  return all.reduce((bytes, u) => bytes + u.sizeBytes, 0)
}
