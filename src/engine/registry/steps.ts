import type { ProgressSink } from '../../build/progress/event.js'
import { InternalStep } from '../../build/solve/internal-step.js'
import { nodeSha256 } from '../../util/hash.js'
import { type Transfers, transfersOf } from './transfers.js'

/** Runs work as a step of progress. */
export type Stepper = <T>(name: string, work: (transfers: Transfers) => Promise<T>) => Promise<T>

/** Steps of a command that is no build. */
export function stepper(progress: ProgressSink): Stepper {
  let ids = 0
  const nowMs = () => Date.now()
  const step = new InternalStep({ progress, nowMs, nextVertexId: () => ++ids, sha256: nodeSha256 })
  return (name, work) => step.run(name, ({ id }) => work(transfersOf(progress, id, nowMs)))
}
