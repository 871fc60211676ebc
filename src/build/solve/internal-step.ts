import { type StartTransfer, transfersOf } from '../progress/transfer.js'
import type { BuildHost } from '../seams.js'

/** What the work of a step tells. */
export interface InternalProgress {
  /** Number of its vertex. */
  id: number
  /** A finished line below the step, with a number of bytes where there is one. */
  status(text: string, bytes?: number): void
  transfer: StartTransfer
}

/** Steps of the build that are no vertices of the graph: progress shows them all the same. */
export class InternalStep {
  readonly #host: Pick<BuildHost, 'progress' | 'nowMs' | 'nextVertexId' | 'sha256'>

  constructor(host: Pick<BuildHost, 'progress' | 'nowMs' | 'nextVertexId' | 'sha256'>) {
    this.#host = host
  }

  /** Runs `work` under a name. */
  async run<T>(name: string, work: (step: InternalProgress) => Promise<T>): Promise<T> {
    const { progress, nowMs } = this.#host
    const id = this.#host.nextVertexId()
    progress({ type: 'vertex', id, name, digest: this.#host.sha256().update(`${id} ${name}`).hex(), inputs: [] })
    progress({ type: 'start', id, time: nowMs() })
    const status = (text: string, bytes = 0) =>
      progress({ type: 'status', id, time: nowMs(), name: text, current: bytes, total: 0, done: true })
    try {
      const result = await work({ id, status, transfer: transfersOf(this.#host, id) })
      progress({ type: 'done', id, time: nowMs(), cached: false })
      return result
    } catch (err) {
      progress({ type: 'done', id, time: nowMs(), cached: false, error: (err as Error).message })
      throw err
    }
  }
}
