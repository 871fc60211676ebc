import type { Vertex } from '../graph/vertex.js'
import type { BuildHost, Layer } from '../seams.js'

/** Layers of vertices as the build cache has them, and what became of each vertex's own. */
export class LayerRecords {
  readonly #host: BuildHost
  /** Seconds since 1970 when the layer of a vertex was made. */
  readonly created = new Map<Vertex, number>()
  /** The layer that a vertex added itself. */
  readonly own = new Map<Vertex, Layer>()

  constructor(host: BuildHost) {
    this.#host = host
  }

  /** Whether there is a layer under a key. */
  has(key: string): boolean {
    const record = this.#host.cache.get(key)
    return record?.layer !== undefined && this.#host.layers.keep(record.layer)
  }

  /** The layer under a key, which becomes the vertex's own. */
  take(v: Vertex, key: string): Layer | undefined {
    const record = this.#host.cache.get(key)
    if (!record?.layer || !this.#host.layers.keep(record.layer)) return undefined
    this.created.set(v, record.created)
    this.own.set(v, record.layer)
    return record.layer
  }

  /** Keeps a layer that the vertex has just made. */
  put(v: Vertex, key: string, layer: Layer): void {
    const created = this.#host.now()
    this.#host.cache.put(key, { key, layer, created, title: v.name })
    this.created.set(v, created)
    this.own.set(v, layer)
  }
}
