import { TsboxError } from '../../base/error.js'
import { topological, type Vertex } from '../graph/vertex.js'
import type { BuildHost, CacheRecord, Layer } from '../seams.js'
import type { Solver } from '../solve/solver.js'
import { type CachedRecord, INLINE_FIELD } from './cache-config.js'
import type { ImageDate } from './image.js'

/** A cache mount that a step of the build asked for. */
export interface MountUse {
  id: string
  mode: number
  uid: number
  gid: number
}

/** What a build leaves for other machines to know. */
export interface CacheEntries {
  records: CacheEntry[]
  mounts: MountUse[]
}

/** A build-cache record of a vertex of the build. */
export interface CacheEntry {
  key: string
  created: number
  layer?: Layer | undefined
  /** The outward key that a definition key leads to. */
  content?: string | undefined
  title?: string | undefined
  /** Whether the vertex's layer is one of the result, or there is none. */
  own: boolean
}

/** Records of all that a target needs and that is known, whether it was executed now or earlier. Runs no step. */
export async function cacheEntries(
  host: BuildHost,
  solver: Solver,
  target: Vertex,
  epoch: number | undefined,
): Promise<CacheEntries> {
  const chain = ownChain(target)
  const records: CacheEntry[] = []
  const mounts = new Map<string, MountUse>()
  for (const v of topological(target)) {
    if (v.op.kind === 'run')
      for (const m of v.op.mounts)
        if (m.type === 'cache') {
          const { id, mode, uid, gid } = m
          mounts.set(JSON.stringify([id, mode, uid, gid]), { id, mode, uid, gid })
        }
    records.push(...(await entriesOf(host, solver, v, chain.has(v), epoch)))
  }
  return { records, mounts: [...mounts.values()] }
}

/** The vertices that added a layer to the result, or found that there was nothing to add. */
function ownChain(target: Vertex): Set<Vertex> {
  const chain = new Set<Vertex>()
  for (let v: Vertex | undefined = target; v; v = v.inputs[0]) chain.add(v)
  return chain
}

async function entriesOf(
  host: BuildHost,
  solver: Solver,
  v: Vertex,
  own: boolean,
  epoch: number | undefined,
): Promise<CacheEntry[]> {
  if (v.op.kind !== 'run' && v.op.kind !== 'copy' && v.op.kind !== 'mkdir') return []
  const { key, leading } = await keysOf(solver, v, own)
  if (key === undefined) return []
  const record = recordOf(host, solver, v, key)
  // A date of its own is the one thing in which the records of two equal builds could differ.
  const created = epoch ?? record?.created
  const out: CacheEntry[] = []
  if (record && created !== undefined) out.push({ key, created, layer: record.layer, title: v.name, own })
  // What leads to a key goes along also where the layer does not: the keys of steps that stand on it need it.
  const date = created ?? (leading === undefined ? undefined : host.cache.get(leading)?.created)
  if (leading !== undefined && date !== undefined) out.push({ key: leading, created: date, content: key, own: true })
  return out
}

/** A step that was not needed, and would fail, is none of the cache's business. */
async function keysOf(solver: Solver, v: Vertex, own: boolean): ReturnType<Solver['settledKeys']> {
  try {
    return await solver.settledKeys(v, !own)
  } catch (err) {
    if (err instanceof TsboxError) return {}
    throw err
  }
}

function recordOf(host: BuildHost, solver: Solver, v: Vertex, key: string): CacheRecord | undefined {
  const layer = solver.ownLayers.get(v)
  if (layer) return { key, layer, created: solver.created.get(v) ?? host.now() }
  const record = host.cache.get(key)
  return record?.layer && host.layers.keep(record.layer) ? record : undefined
}

/**
 * What an image's own configuration says of how its layers were made.
 *
 * @param layers of the image, in the order of its diffIDs
 */
export function inlineFields(entries: readonly CacheEntry[], layers: readonly Layer[]) {
  const records: CachedRecord[] = []
  for (const { key, created, layer, content, title, own } of entries) {
    if (!own) continue
    const index = layer === undefined ? undefined : layers.findIndex((l) => sameLayer(l, layer))
    if (index === undefined || index >= 0) records.push({ key, created, layer: index, content, title })
  }
  return (date: ImageDate | undefined) => ({ [INLINE_FIELD]: { records: date ? [...records, date] : records } })
}

function sameLayer(a: Layer, b: Layer): boolean {
  if (a.diffID !== undefined && b.diffID !== undefined) return a.diffID === b.diffID
  return a.snapshot !== undefined && a.snapshot === b.snapshot && a.snapshotMode === b.snapshotMode
}
