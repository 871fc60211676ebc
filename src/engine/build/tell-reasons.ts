import { explainSteps } from '../../build/explain/explain.js'
import type { BuildRecord } from '../../build/explain/record.js'
import { topological } from '../../build/graph/vertex.js'
import type { BuildHost } from '../../build/seams.js'
import type { BuildRequest } from '../api.js'
import type { SolvedBuild } from './step-memory.js'

/** Sends why each step ran, in the order of the steps. */
export async function tellReasons(
  host: BuildHost,
  { noCache }: Pick<BuildRequest, 'noCache'>,
  { target, solver }: SolvedBuild,
  { now, before }: { now: BuildRecord; before: BuildRecord | undefined },
): Promise<void> {
  const steps = topological(target).map((vertex) => {
    const outcome = solver.outcomes.get(vertex)
    const key = outcome === 'cached' ? solver.knownKeys.get(vertex) : undefined
    const origin = key === undefined ? undefined : host.cache.get(key)?.origin
    return { vertex, outcome, origin, executor: solver.executors.get(vertex) }
  })
  // A cached build never asks for executors, and need not load them for this.
  const executors = steps.some((s) => s.executor) ? (await host.executors()).length : 0
  const explained = await explainSteps({ steps, now, before, layers: host.layers, executors, noCache })
  for (const [i, explanation] of explained) {
    const id = solver.idOf(steps[i]!.vertex)
    if (id !== undefined) host.progress({ type: 'explanation', id, time: host.nowMs(), ...explanation })
  }
}
