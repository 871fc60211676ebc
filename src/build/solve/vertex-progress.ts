import { withLocation } from '../../base/error.js'
import type { Vertex } from '../graph/vertex.js'
import type { StepProgress } from '../ops/run.js'
import { type StartTransfer, transfersOf } from '../progress/transfer.js'
import type { BuildHost } from '../seams.js'

/** How a vertex ended. */
export type Outcome = 'ran' | 'cached' | 'failed' | 'canceled'

/** What the work of a vertex tells. */
export interface WorkProgress extends StepProgress {
  /** It was answered from the cache after all. */
  cached(): void
  /** It has failed, though it goes on for a while. */
  failed(err: Error): void
  transfer: StartTransfer
}

/** Turns the life of vertices into progress events. */
export class VertexProgress {
  readonly #host: BuildHost
  readonly #signal: AbortSignal
  readonly #ids = new Map<Vertex, number>()
  readonly #done = new Set<number>()
  /** What became of the vertices that came to an end. */
  readonly outcomes = new Map<Vertex, Outcome>()
  /** Work that has started and not ended. */
  readonly #running = new Map<Vertex, Promise<unknown>>()

  /** @param signal once it is aborted, nothing starts any more and what fails was cancelled */
  constructor(host: BuildHost, signal: AbortSignal) {
    this.#host = host
    this.#signal = signal
  }

  /** Gives each vertex its number, inputs first; scratch is nothing to show. */
  announce(vertices: readonly Vertex[]): void {
    for (const v of vertices) {
      if (v.op.kind === 'scratch' || v.name === '' || this.#ids.has(v)) continue
      const id = this.#host.nextVertexId()
      this.#ids.set(v, id)
      const inputs = v.inputs.map((i) => this.#ids.get(i)).filter((i) => i !== undefined)
      this.#host.progress({
        type: 'vertex',
        id,
        name: v.name,
        digest: this.#host.sha256().update(`${id} ${v.name}`).hex(),
        inputs,
      })
    }
  }

  /** Number of the vertex in progress events; undefined for one that is not shown. */
  idOf(v: Vertex): number | undefined {
    return this.#ids.get(v)
  }

  /** Of a build that failed: what was not begun because it stands on what failed. @param vertices inputs before users */
  giveUp(vertices: readonly Vertex[]): void {
    const ended = (v: Vertex) => this.outcomes.get(v) === 'failed' || this.outcomes.get(v) === 'canceled'
    for (const v of vertices) if (!this.outcomes.has(v) && v.inputs.some(ended)) this.outcomes.set(v, 'canceled')
  }

  /** The vertex was answered from the cache. */
  cached(v: Vertex): void {
    if (!this.outcomes.has(v)) this.outcomes.set(v, 'cached')
    const id = this.#ids.get(v)
    if (id === undefined || this.#done.has(id)) return
    this.#start(id)
    this.#finish(id, true)
  }

  /** Runs `work` as the vertex's own; its failure is the vertex's. */
  async during<T>(v: Vertex, work: (progress: WorkProgress) => Promise<T>, cached = false): Promise<T> {
    this.#signal.throwIfAborted()
    const id = this.#ids.get(v)
    let fromCache = cached
    let started = false
    let failed = false
    let end = () => {}
    const ended = new Promise<void>((done) => {
      end = done
    })
    const start = () => {
      if (started) return
      started = true
      this.#running.set(v, ended)
      if (id !== undefined) this.#start(id)
    }
    const fail = (message: string) => {
      if (failed) return
      failed = true
      start()
      if (id !== undefined) this.#finish(id, false, message)
    }
    const log = (stream: 1 | 2, data: Uint8Array) => {
      if (id !== undefined) this.#host.progress({ type: 'log', id, time: this.#host.nowMs(), stream, data })
    }
    if (v.op.kind === 'image' || v.op.kind === 'context') start()
    try {
      const result = await work({
        started: start,
        cached: () => {
          fromCache = true
        },
        failed: (err) => {
          this.outcomes.set(v, 'failed')
          fail(err.message)
        },
        transfer: transfersOf(this.#host, id),
        stdout: (data) => log(1, data),
        stderr: (data) => log(2, data),
      })
      start()
      this.outcomes.set(v, fromCache ? 'cached' : 'ran')
      if (id !== undefined) this.#finish(id, fromCache)
      return result
    } catch (err) {
      if (!failed) this.outcomes.set(v, this.#signal.aborted ? 'canceled' : 'failed')
      fail(this.#signal.aborted ? 'context canceled' : (err as Error).message)
      throw withLocation(err, v.location)
    } finally {
      this.#running.delete(v)
      end()
    }
  }

  /** Settles when no work but that of `v` is under way. */
  async others(v: Vertex): Promise<void> {
    await Promise.all([...this.#running].map(([other, ended]) => (other === v ? undefined : ended)))
  }

  #start(id: number): void {
    this.#host.progress({ type: 'start', id, time: this.#host.nowMs() })
  }

  #finish(id: number, cached: boolean, error?: string): void {
    this.#done.add(id)
    this.#host.progress({ type: 'done', id, time: this.#host.nowMs(), cached, error })
  }
}
