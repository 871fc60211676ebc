import type { HistoryEntry, ImageConfig } from '../../oci/config.js'
import type {
  ExploredImage,
  ImageDifference,
  ImageEngine,
  ImageInspect,
  ImagePruneRequest,
  ImageSummary,
  ImageVerdict,
} from '../api.js'
import type { ImageDeps } from './deps.js'
import { openImage } from './stored-image.js'

/** The engine's work on images. Each use case loads its own code. */
export class NodeImages implements ImageEngine {
  readonly #deps: ImageDeps

  constructor(deps: ImageDeps) {
    this.#deps = deps
  }

  async list(name?: string, filters?: Readonly<Record<string, readonly string[]>>): Promise<ImageSummary[]> {
    return (await import('./list.js')).listImages(this.#deps, name, filters)
  }

  async inspect(reference: string): Promise<ImageInspect> {
    return (await import('./inspect.js')).inspectImage(this.#deps, reference)
  }

  async history(reference: string): Promise<(HistoryEntry & { id: string; sizeBytes: number })[]> {
    return (await import('./inspect.js')).imageHistory(this.#deps, reference)
  }

  async tag(source: string, target: string): Promise<void> {
    return (await import('./tag.js')).tagImage(this.#deps, source, target)
  }

  async remove(references: readonly string[], options: { force: boolean }): Promise<string[]> {
    return (await import('./remove.js')).removeImages(this.#deps, references, options)
  }

  async load(input: string, stdin?: AsyncIterable<Uint8Array>): Promise<string[]> {
    return (await import('../archive/load.js')).loadImages(this.#deps, input, stdin)
  }

  async save(references: readonly string[], write: (chunk: Uint8Array) => Promise<void> | void): Promise<void> {
    return (await import('../archive/save.js')).saveImages(this.#deps, references, write)
  }

  async import(
    input: string,
    reference: string | undefined,
    changes: readonly string[],
    stdin?: AsyncIterable<Uint8Array>,
  ): Promise<string> {
    return (await import('./import.js')).importRootfs(this.#deps, { input, reference, changes, stdin })
  }

  async fromHost(reference: string, programs: readonly string[]): Promise<string> {
    return (await import('../from-host/from-host.js')).imageFromHost(this.#deps, reference, programs)
  }

  async prune(request: ImagePruneRequest): Promise<{ deleted: string[]; reclaimedBytes: number }> {
    return (await import('./prune.js')).pruneImages(this.#deps, request)
  }

  async verify(references: readonly string[] | undefined): Promise<ImageVerdict[]> {
    return (await import('./verify.js')).verifyImages(this.#deps, references)
  }

  async diff(first: string, second: string, options: { times: boolean }): Promise<ImageDifference> {
    return (await import('./diff.js')).diffImages(this.#deps.shop, first, second, options)
  }

  async explore(reference: string): Promise<ExploredImage> {
    return (await import('./explore.js')).exploreImage(this.#deps.shop, reference)
  }

  async config(reference: string): Promise<{ digest: string; config: ImageConfig }> {
    const { configDigest, config } = openImage(this.#deps.store, this.#deps.lease, reference)
    return { digest: configDigest, config }
  }
}
