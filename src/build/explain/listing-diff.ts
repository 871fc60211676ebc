import type { Entry } from '../../layer/entry.js'
import type { Layer, LayerService } from '../seams.js'

/** What is needed of layers to compare them. */
export type LayerReader = Pick<LayerService, 'entries' | 'tree'>

/** A path that two layers have differently. */
export interface PathChange {
  path: string
  kind: 'added' | 'removed' | 'changed'
  /** In which respects, of one that changed. */
  how: readonly string[]
}

/**
 * Compares what two layers hold, times left out. Contents are read only where sizes are equal.
 *
 * @throws TsboxError where one of them is no longer in the store
 */
export async function layerChanges(layers: LayerReader, before: Layer, now: Layer): Promise<PathChange[]> {
  const [old, fresh] = [byPath(await layers.entries(before)), byPath(await layers.entries(now))]
  const out: PathChange[] = []
  const same: string[] = []
  for (const [path, entry] of fresh) {
    const was = old.get(path)
    const how = was ? entryChanges(was, entry) : []
    if (!was) out.push({ path, kind: 'added', how })
    else if (how.length) out.push({ path, kind: 'changed', how })
    else if (entry.type === 'file' && entry.size > 0) same.push(path)
  }
  for (const path of old.keys()) if (!fresh.has(path)) out.push({ path, kind: 'removed', how: [] })
  for (const path of await changedContents(layers, { before, now }, same))
    out.push({ path, kind: 'changed', how: ['content'] })
  return out
}

/** In which respects two entries of one path differ, contents of equal size and times left out. */
export function entryChanges(before: Entry, now: Entry): string[] {
  const out: string[] = []
  if (before.type !== now.type) return [`${before.type} → ${now.type}`]
  if (before.mode !== now.mode) out.push(`mode ${octal(before.mode)} → ${octal(now.mode)}`)
  if (before.uid !== now.uid || before.gid !== now.gid)
    out.push(`owner ${before.uid}:${before.gid} → ${now.uid}:${now.gid}`)
  if (before.size !== now.size) out.push(`size ${before.size} → ${now.size}`)
  if (before.link !== now.link) out.push(`link ${before.link ?? ''} → ${now.link ?? ''}`)
  if (before.major !== now.major || before.minor !== now.minor) out.push('device numbers')
  const attribute = changedXattr(before, now)
  if (attribute !== undefined) out.push(`extended attribute ${attribute}`)
  return out
}

/** `/a changed (size 1 → 2), /b added, … and 3 more`. */
export function describeChanges(changes: readonly PathChange[], most: number): string {
  const texts = changes.slice(0, most).map(({ path, kind, how }) => {
    return `${path} ${kind}${how.length ? ` (${how.join(', ')})` : ''}`
  })
  if (changes.length > most) texts.push(`… and ${changes.length - most} more`)
  return texts.join(', ')
}

function octal(mode: number): string {
  return `0${mode.toString(8).padStart(3, '0')}`
}

/** Name of the first extended attribute that differs. */
function changedXattr(before: Entry, now: Entry): string | undefined {
  const [a, b] = [new Map(before.xattrs ?? []), new Map(now.xattrs ?? [])]
  return [...new Set([...a.keys(), ...b.keys()])].sort().find((name) => {
    const [x, y] = [a.get(name), b.get(name)]
    return !x || !y || x.length !== y.length || x.some((byte, i) => byte !== y[i])
  })
}

function byPath(entries: readonly Entry[]): Map<string, Entry> {
  // An opaque mark stands beside its directory, under the same path.
  return new Map(entries.map((e) => [e.type === 'opaque' ? `${e.path}/.wh..wh..opq` : e.path, e]))
}

/** Paths whose contents differ, in order. */
export async function changedContents(
  layers: LayerReader,
  { before, now }: { before: Layer; now: Layer },
  paths: readonly string[],
): Promise<string[]> {
  if (paths.length === 0) return []
  const hashes = async (layer: Layer) => {
    const tree = await layers.tree([layer])
    return tree.readFiles(paths, nothing, nothing)
  }
  const [a, b] = [await hashes(before), await hashes(now)]
  return paths.filter((_, i) => a[i] !== b[i])
}

function nothing(): void {}
