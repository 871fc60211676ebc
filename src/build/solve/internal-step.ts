import type { BuildHost } from '../seams.js'

/** Steps of the build that are no vertices of the graph: progress shows them all the same. */
export class InternalStep {
  readonly #host: Pick<BuildHost, 'progress' | 'nowMs' | 'nextVertexId' | 'sha256'>

  constructor(host: Pick<BuildHost, 'progress' | 'nowMs' | 'nextVertexId' | 'sha256'>) {
    this.#host = host
  }

  /** Runs `work` under a name; what it tells `status` becomes a finished line below it. `id` is its vertex. */
  async run<T>(name: string, work: (status: (text: string) => void, id: number) => Promise<T>): Promise<T> {
    const { progress, nowMs } = this.#host
    const id = this.#host.nextVertexId()
    progress({ type: 'vertex', id, name, digest: this.#host.sha256().update(`${id} ${name}`).hex(), inputs: [] })
    progress({ type: 'start', id, time: nowMs() })
    const status = (text: string) =>
      progress({ type: 'status', id, time: nowMs(), name: text, current: 0, total: 0, done: true })
    try {
      const result = await work(status, id)
      progress({ type: 'done', id, time: nowMs(), cached: false })
      return result
    } catch (err) {
      progress({ type: 'done', id, time: nowMs(), cached: false, error: (err as Error).message })
      throw err
    }
  }
}
