import type { Entry } from '../../layer/entry.js'
import type { Layer } from '../seams.js'
import { changedContents, entryChanges, type LayerReader } from './listing-diff.js'

/** The first path in which two layers differ. */
export interface PathDifference {
  path: string
  /** In words; `mtime …` where only times differ. */
  how: string[]
  kind: 'content' | 'metadata' | 'time' | 'missing' | 'order'
}

/** What is compared: all but times, or times only. */
export type Aspect = 'files' | 'times'

/**
 * Compares two layers in their order.
 *
 * @param epoch seconds; later times count as it, as in the image
 * @returns undefined where both are the same in that aspect
 */
export async function firstDifference(
  layers: LayerReader,
  pair: { before: Layer; now: Layer },
  aspect: Aspect,
  epoch: number | undefined,
): Promise<PathDifference | undefined> {
  const [a, b] = [await layers.entries(pair.before), await layers.entries(pair.now)]
  if (aspect === 'times') return firstTime(a, b, epoch)
  const found = firstMetadata(a, b)
  // A content that differs counts before what comes later in the layer.
  const same = a.slice(0, found?.index ?? a.length).filter((e) => e.type === 'file' && e.size > 0)
  const paths = same.map((e) => e.path)
  const [content] = await changedContents(layers, pair, paths)
  if (content !== undefined) return { path: content, how: ['content'], kind: 'content' }
  return found?.difference
}

function firstMetadata(
  a: readonly Entry[],
  b: readonly Entry[],
): { index: number; difference: PathDifference } | undefined {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i], b[i]]
    const difference = x && y && sameName(x, y) ? inMetadata(x, y) : inNames(a, b, x, y)
    if (difference) return { index: i, difference }
  }
  return undefined
}

function inMetadata(x: Entry, y: Entry): PathDifference | undefined {
  const how = entryChanges(x, y)
  if (!how.length) return undefined
  const sizeOnly = x.type === 'file' && x.size !== y.size
  return { path: y.path, how: sizeOnly ? ['content', ...how] : how, kind: sizeOnly ? 'content' : 'metadata' }
}

/** At one place of the order there are different names, or one layer has ended. */
function inNames(a: readonly Entry[], b: readonly Entry[], x?: Entry, y?: Entry): PathDifference {
  if (x && !b.some((e) => sameName(e, x)))
    return { path: x.path, how: [`only the first build has this ${word(x)}`], kind: 'missing' }
  if (y && !a.some((e) => sameName(e, y)))
    return { path: y.path, how: [`only the second build has this ${word(y)}`], kind: 'missing' }
  return { path: (y ?? x)!.path, how: ['order of the entries'], kind: 'order' }
}

function word({ type }: Entry): string {
  if (type === 'whiteout') return 'removal'
  return type === 'dir' ? 'directory' : type === 'opaque' ? 'emptied directory' : type
}

function sameName(x: Entry, y: Entry): boolean {
  return x.path === y.path && (x.type === 'opaque') === (y.type === 'opaque')
}

function firstTime(a: readonly Entry[], b: readonly Entry[], epoch: number | undefined): PathDifference | undefined {
  const clamped = ({ mtime }: Entry) => (epoch === undefined ? mtime : Math.min(mtime, epoch))
  for (const [i, x] of a.entries()) {
    const y = b[i]
    if (!y || clamped(x) === clamped(y)) continue
    return { path: y.path, how: [`mtime ${isoTime(clamped(x))} → ${isoTime(clamped(y))}`], kind: 'time' }
  }
  return undefined
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
