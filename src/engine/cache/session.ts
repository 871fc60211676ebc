import type { CacheEntries } from '../../build/export/cache-entries.js'
import type { ProgressSink } from '../../build/progress/event.js'
import type { BuildHost, CacheRecord } from '../../build/seams.js'
import { InternalStep } from '../../build/solve/internal-step.js'
import type { Platform } from '../../oci/platform.js'
import type { BuildRequest, CacheExport } from '../api.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import type { RegistryDeps } from '../registry/deps.js'
import { CacheImport } from './import.js'
import type { CacheTarget } from './transport.js'

/** What an export to a registry may take. */
const BUDGET_MS = 600_000
const LEFT_OUT = 'A cache that cannot be used is left out'
const NOT_WRITTEN = 'A cache that cannot be written fails no build'

type Env = Readonly<Record<string, string | undefined>>
type ProgressHost = Pick<BuildHost, 'progress' | 'nowMs' | 'nextVertexId' | 'sha256'>

/** The caches that one build takes from and gives to. */
export class CacheSession {
  readonly #shop: Workshop
  readonly #layers: NodeLayers
  readonly #request: BuildRequest
  readonly #platform: Platform
  readonly #env: Env
  readonly #registries: RegistryDeps
  #host: ProgressHost | undefined
  #importStep = 1
  #import: CacheImport | undefined

  constructor(
    deps: { shop: Workshop; layers: NodeLayers; env: Env; registries: RegistryDeps },
    request: BuildRequest,
    platform: Platform,
  ) {
    this.#shop = deps.shop
    this.#layers = deps.layers
    this.#env = deps.env
    this.#registries = deps.registries
    this.#request = request
    this.#platform = platform
  }

  /** A record that the store has not, or whose layer is gone there. @param local what the store has */
  record(key: string, local: CacheRecord | undefined): CacheRecord | undefined {
    const { store, lease } = this.#shop
    if (local && (!local.layer || store.keepLayer(local.layer, lease))) return local
    return this.#import?.record(key) ?? local
  }

  /** Passes progress on. What ends because a cache fails did not fail itself: the warning says it, and it runs again. */
  listener(progress: ProgressSink): ProgressSink {
    return (event) => {
      const again = event.type === 'done' && event.error !== undefined && this.#import?.isFailing
      progress(again ? { ...event, error: undefined } : event)
    }
  }

  /** Opens the caches of `--cache-from`; each that can't be read is a warning. @param host shows it */
  async open(host: ProgressHost): Promise<void> {
    this.#host = host
    const { cacheFrom = [] } = this.#request
    if (cacheFrom.length === 0) return
    this.#import = new CacheImport(
      this.#shop,
      {
        step: (name, work) =>
          new InternalStep(host).run(name, ({ id }) => {
            this.#importStep = id
            return work()
          }),
        warn: (message) => this.#warn(this.#importStep, 'CacheImport', message, LEFT_OUT),
      },
      this.#request.signal,
      this.#registries,
    )
    this.#layers.origin = this.#import
    await this.#import.open(cacheFrom, this.#platform)
  }

  /** Runs a build, again where a cache fails on the way; then keeps what was taken from caches. */
  async build<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#import) return work()
    const result = await this.#import.retrying(work)
    this.#import.persist()
    return result
  }

  /** Whether the image gets a cache into its configuration. */
  get isInline(): boolean {
    return this.#request.cacheTo?.some((to) => to.type === 'inline') ?? false
  }

  /** Writes every cache of `--cache-to` that is no inline one. @throws TsboxError only where that is asked for */
  async exportAll(entries: CacheEntries): Promise<void> {
    for (const to of this.#request.cacheTo ?? []) if (to.type !== 'inline') await this.#exportTo(to, entries)
  }

  /** Whether {@link exportAll} has something to do. */
  get exports(): boolean {
    return this.#request.cacheTo?.some((to) => to.type !== 'inline') ?? false
  }

  close(): void {
    this.#import?.close()
    this.#layers.origin = undefined
  }

  async #exportTo(to: CacheExport, entries: CacheEntries): Promise<void> {
    const place = to.type === 'local' ? 'client directory' : 'registry'
    // A registry that is slow must not keep a build that is done waiting for ever.
    const budget = to.type === 'registry' ? [AbortSignal.timeout(BUDGET_MS)] : []
    const signal = AbortSignal.any([this.#request.signal, ...budget])
    await new InternalStep(this.#host!).run(`exporting cache to ${place}`, async ({ status, id }) => {
      const { exportCache } = await import('./export.js')
      status('preparing build cache for export')
      try {
        const target = await this.#openTarget(to, signal)
        const deps = {
          shop: this.#shop,
          layers: this.#layers,
          imported: this.#import,
          platform: this.#platform,
          env: this.#env,
          signal,
        }
        try {
          await exportCache(deps, target, entries, to, status)
        } finally {
          target.close()
        }
      } catch (err) {
        if (this.#request.signal.aborted || !to.ignoreError) throw err
        const why = err instanceof Error ? err.message : String(err)
        this.#warn(id, 'CacheExport', `${why}: the image is built, the cache is what it was`, NOT_WRITTEN)
      }
    })
  }

  async #openTarget(to: CacheExport, signal: AbortSignal): Promise<CacheTarget> {
    if (to.type === 'local') return (await import('./folder-target.js')).openFolder(to.dest, to.tag, signal)
    return (await import('./registry-cache.js')).openRegistryTarget(this.#registries, to, signal)
  }

  #warn(id: number, rule: string, message: string, description: string): void {
    const { progress, nowMs } = this.#host!
    const place = { line: 0, endLine: 0, source: { file: '', text: '' } }
    progress({ type: 'warning', id, time: nowMs(), rule, message, description, url: '', ...place })
  }
}
