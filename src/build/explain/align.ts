import { canonicalJson } from '../../base/hash.js'
import type { BuildRecord, StepRecord } from './record.js'

/**
 * Finds for each step of a build the one of an earlier build that it continues: images and contexts by name, steps of a
 * stage in their order, those that are unchanged first.
 *
 * @returns index in `before` by index in `now`
 */
export function alignSteps(now: BuildRecord, before: BuildRecord): Map<number, number> {
  const out = new Map<number, number>()
  const older = stagesOf(before)
  for (const [stage, steps] of stagesOf(now)) {
    const earlier = older.get(stage)
    if (earlier) alignStage(now, before, steps, earlier, out)
  }
  const sources = new Map(before.steps.flatMap((s, i) => (isSource(s) ? [[sourceName(s), i] as const] : [])))
  now.steps.forEach((s, i) => {
    const at = isSource(s) ? sources.get(sourceName(s)) : undefined
    if (at !== undefined) out.set(i, at)
  })
  return out
}

/** Steps of each stage, in order. */
function stagesOf(record: BuildRecord): Map<string, number[]> {
  const out = new Map<string, number[]>()
  record.steps.forEach((s, i) => {
    if (isSource(s)) return
    const list = out.get(s.stage ?? '')
    if (list) list.push(i)
    else out.set(s.stage ?? '', [i])
  })
  return out
}

function isSource({ op }: StepRecord): boolean {
  return ['image', 'context', 'git', 'scratch'].includes(op.kind)
}

function sourceName({ op }: StepRecord): string {
  const { remote } = (op.source ?? {}) as { remote?: unknown }
  return `${op.kind} ${String(op.reference ?? op.name ?? remote ?? '')}`
}

function alignStage(
  now: BuildRecord,
  before: BuildRecord,
  steps: readonly number[],
  earlier: readonly number[],
  out: Map<number, number>,
): void {
  const a = steps.map((i) => canonicalJson(now.steps[i]!.op))
  const b = earlier.map((i) => canonicalJson(before.steps[i]!.op))
  let [fromA, fromB] = [0, 0]
  const gap = (toA: number, toB: number) => {
    pairByKind(now, before, steps.slice(fromA, toA), earlier.slice(fromB, toB), out)
  }
  for (const [i, j] of commonSubsequence(a, b)) {
    gap(i, j)
    out.set(steps[i]!, earlier[j]!)
    fromA = i + 1
    fromB = j + 1
  }
  gap(steps.length, earlier.length)
}

/** Between two unchanged steps, those of one kind belong together in their order. */
function pairByKind(
  now: BuildRecord,
  before: BuildRecord,
  steps: readonly number[],
  earlier: readonly number[],
  out: Map<number, number>,
): void {
  let next = 0
  for (const i of steps) {
    const kind = now.steps[i]!.op.kind
    const at = earlier.findIndex((j, place) => place >= next && before.steps[j]!.op.kind === kind)
    if (at < 0) continue
    out.set(i, earlier[at]!)
    next = at + 1
  }
}

/** Pairs of indexes of a longest common subsequence. */
function commonSubsequence(a: readonly string[], b: readonly string[]): [number, number][] {
  const width = b.length + 1
  const lengths = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--) {
      const down = lengths[(i + 1) * width + j]!
      const right = lengths[i * width + j + 1]!
      lengths[i * width + j] = a[i] === b[j] ? lengths[(i + 1) * width + j + 1]! + 1 : Math.max(down, right)
    }
  const out: [number, number][] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) out.push([i++, j++])
    else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) i++
    else j++
  }
  return out
}
