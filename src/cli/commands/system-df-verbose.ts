import type { DiskUsage } from '../../engine/api.js'
import { alignColumns } from '../format/table.js'
import { ellipsis, humanDuration, humanSize, shortId, since } from '../format/units.js'

/**
 * The four tables of docker's `system df -v`.
 *
 * @param now milliseconds since 1970
 */
export async function usageTables(usage: DiskUsage, now: number): Promise<string> {
  const cacheBytes = usage.cache.reduce((bytes, u) => bytes + u.sizeBytes, 0)
  return [
    section('Images space usage:', images(usage, now)),
    section('Containers space usage:', containers(usage, now)),
    section('Local Volumes space usage:', volumes(usage)),
    section(`Build cache usage: ${humanSize(cacheBytes, 4)}`, cache(usage, now)),
  ].join('\n')
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  return `${title}\n\n${alignColumns(rows)}`
}

function images({ images: all }: DiskUsage, now: number): string[][] {
  const heading = 'REPOSITORY,TAG,IMAGE ID,CREATED,SIZE,SHARED SIZE,UNIQUE SIZE,CONTAINERS'.split(',')
  const rows = all.map((i) => [
    i.repository ?? '<none>',
    i.tag ?? '<none>',
    shortId(i.id),
    since(i.created, now),
    humanSize(i.sharedBytes + i.uniqueBytes),
    humanSize(i.sharedBytes),
    humanSize(i.uniqueBytes),
    String(i.containers),
  ])
  return [heading, ...rows]
}

function containers({ containers: all }: DiskUsage, now: number): string[][] {
  const heading = 'CONTAINER ID,IMAGE,COMMAND,LOCAL VOLUMES,SIZE,CREATED,STATUS,NAMES'.split(',')
  const rows = all.map((c) => [
    shortId(c.id),
    c.image,
    JSON.stringify(ellipsis(c.command.join(' '), 20)),
    String(c.mounts.filter((m) => !m.startsWith('/')).length),
    humanSize(c.sizeBytes),
    since(c.created, now),
    c.status,
    c.name,
  ])
  return [heading, ...rows]
}

function volumes({ volumes: all }: DiskUsage): string[][] {
  return [['VOLUME NAME', 'LINKS', 'SIZE'], ...all.map((v) => [v.name, String(v.links), humanSize(v.sizeBytes)])]
}

function cache({ cache: all }: DiskUsage, now: number): string[][] {
  const heading = 'CACHE ID,CACHE TYPE,SIZE,CREATED,LAST USED,SHARED'.split(',')
  const ago = (ms: number) => `${humanDuration(Math.max(0, now - ms))} ago`
  const rows = all.map((u) => [
    ellipsis(u.id, 12),
    u.type,
    humanSize(u.sizeBytes),
    ago(u.createdMs),
    ago(u.usedMs),
    String(u.shared),
  ])
  return [heading, ...rows]
}
