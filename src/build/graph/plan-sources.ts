import { TsboxError } from '../../base/error.js'
import { formatPlatform, type Platform } from '../../oci/platform.js'
import type { PlanOptions } from './plan-options.js'
import type { StageNames } from './stage-names.js'
import type { Op, Vertex } from './vertex.js'

/** What stages stand on and take files from beside other stages: images and contexts, a vertex for each. */
export class PlanSources {
  readonly #options: PlanOptions
  readonly #names: StageNames
  readonly #images = new Map<string, Promise<Vertex>>()
  readonly #contexts = new Map<string, Vertex>()

  constructor(options: PlanOptions, names: StageNames) {
    this.#options = options
    this.#names = names
  }

  image(reference: string, platform: Platform): Promise<Vertex> {
    const id = `${formatPlatform(platform)} ${reference}`
    let vertex = this.#images.get(id)
    if (!vertex) {
      vertex = this.#options.resolveImage(reference, platform).then((image) => ({
        op: { kind: 'image', reference: image.reference ?? reference, image } satisfies Op,
        inputs: [],
        name: '',
        noCache: false,
      }))
      this.#images.set(id, vertex)
    }
    return vertex
  }

  /**
   * What `--from` names, where it is no stage.
   *
   * @throws TsboxError E_DOCKERFILE, and what finding an image throws
   */
  async other(from: string): Promise<Vertex> {
    const named = this.#options.namedContext(from)
    if (from === '' || named?.kind === 'files') return this.context(from)
    if (/^\d+$/.test(from) && !named)
      throw new TsboxError('E_DOCKERFILE', `invalid stage index ${from}`, {
        hint: `this Dockerfile has stages 0 to ${this.#names.count - 1}`,
      })
    if (from === 'scratch') return { op: { kind: 'scratch' }, inputs: [], name: '', noCache: false }
    try {
      return await this.image(named?.kind === 'image' ? named.reference : from, this.#options.platform)
    } catch (err) {
      if (err instanceof TsboxError && err.code === 'E_IMAGE_NOT_FOUND') throw this.#names.withHint(err, from)
      throw err
    }
  }

  /** The main context (`''`) or a named one. */
  context(name: string): Vertex {
    let vertex = this.#contexts.get(name)
    if (!vertex) {
      const title = name === '' ? '[internal] load build context' : `[context ${name}] load from client`
      vertex = { op: { kind: 'context', name }, inputs: [], name: title, noCache: false }
      this.#contexts.set(name, vertex)
    }
    return vertex
  }
}
