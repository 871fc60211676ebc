import { writeFileSync } from 'node:fs'
import { type ContainerSpec, containerPlan, stubEntries } from '../../rootless/container-spec.js'
import type { OverlaySpec, StepPlan } from '../../rootless/plan.js'
import { makeDir } from '../../util/make-dir.js'

/**
 * Plan of a container whose binds may come from stacks of layers: `trees` are mounted aside, in order, right after the
 * root. Fills the stub folder with mount points.
 */
export function makePlan(spec: ContainerSpec, trees: readonly OverlaySpec[] = []): StepPlan {
  for (const { path, type } of stubEntries(spec.mounts)) {
    if (type === 'dir') makeDir(`${spec.stub}/${path}`, 0o755)
    else writeFileSync(`${spec.stub}/${path}`, '')
  }
  const plan = containerPlan(spec)
  if (!trees.length) return plan
  const at = plan.ops.findIndex((o) => o.op === 'root') + 1
  const ops = [...plan.ops.slice(0, at), ...trees.map((t) => ({ op: 'tree' as const, ...t })), ...plan.ops.slice(at)]
  return { ...plan, ops }
}
