import { errnoCode, TsboxError } from '../../base/error.js'
import type { CachedMount, CachedRecord } from '../../build/export/cache-config.js'
import type { CacheRecord } from '../../build/seams.js'
import type { Toc } from '../../layer/toc.js'
import type { Descriptor } from '../../oci/manifest.js'
import type { Platform } from '../../oci/platform.js'
import type { CacheFrom } from '../api.js'
import type { LayerOrigin } from '../layers/origin.js'
import { once, type Workshop } from '../layers/workshop.js'
import type { RegistryDeps } from '../registry/deps.js'
import { fetchLayer, type HeldLayer, readToc, sameToc } from './fetch-layer.js'
import { type LoadedCache, loadCache } from './load.js'
import { type CachedMountData, stageMount } from './mount-data.js'
import { openSource } from './sources.js'
import type { CacheSource } from './transport.js'

/** A cache that a build may take from. */
interface OpenCache {
  source: CacheSource
  loaded: LoadedCache
  /** What was found to be wrong with it: nothing more is taken from it then. */
  broken?: Error | undefined
}

/** A cache mount in the cache that has it. */
export interface HeldMount {
  source: Pick<CacheSource, 'open'>
  mount: CachedMount & { blob: Descriptor }
}

/** How an import tells what it does. */
export interface ImportReport {
  /** Shows `work` as a step of the build. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>
  /** A cache can't be used, or not any more; the build goes on without it. */
  warn(message: string): void
}

/**
 * Caches of other builds, as `--cache-from` names them. Records are looked up when their keys are asked for; layers are
 * fetched when their files are. Nothing that was not verified is ever in the store.
 */
export class CacheImport implements LayerOrigin {
  readonly #shop: Workshop
  readonly #report: ImportReport
  readonly #signal: AbortSignal
  readonly #registries: RegistryDeps
  readonly #caches: OpenCache[] = []
  readonly #fetched = new Map<string, Promise<void>>()
  readonly #tocs = new Map<string, Promise<Toc | undefined>>()
  /** Tables of contents that were believed before their layers were here. */
  readonly #claimed = new Map<string, Toc>()
  readonly #mounts = new Map<string, Promise<CachedMountData | undefined>>()
  readonly #used = new Map<string, { cache: OpenCache; record: CachedRecord; diffID: string | undefined }>()
  #brokenNow = false

  /** @param signal ends fetches */
  constructor(shop: Workshop, report: ImportReport, signal: AbortSignal, registries: RegistryDeps) {
    this.#registries = registries
    this.#shop = shop
    this.#signal = signal
    this.#report = report
  }

  /** Opens every cache that can be read; the others are warned of. */
  async open(all: readonly CacheFrom[], platform: Platform): Promise<void> {
    for (const from of all) {
      const name = nameOf(from)
      await this.#report.step(`importing cache manifest from ${name}`, async () => {
        try {
          const source = await openSource(this.#shop, from, this.#registries, this.#signal)
          const loaded = await loadCache(source, platform)
          if (loaded) this.#caches.push({ source, loaded })
          else this.#report.warn(`no cache at ${name} yet: building without it`)
        } catch (err) {
          if (this.#signal.aborted || isOurs(err)) throw err
          this.#report.warn(`cannot use the cache at ${name}: ${messageOf(err)}: building without it`)
        }
      })
    }
  }

  /** Whether a cache was found to be damaged in this attempt of the build. */
  get isFailing(): boolean {
    return this.#brokenNow
  }

  /** The record of a key, of the first cache that has it and its layer. */
  record(key: string): CacheRecord | undefined {
    for (const cache of this.#caches) {
      const record = cache.broken ? undefined : cache.loaded.records.get(key)
      if (!record) continue
      const layer = record.layer === undefined ? undefined : cache.loaded.layers[record.layer]
      if (layer && !cache.source.has(layer.blob) && !this.#shop.store.hasLayer(layer.diffID)) {
        this.#break(cache, new TsboxError('E_CACHE_INVALID', `read cache: a blob is missing: "${layer.blob.digest}"`))
        continue
      }
      this.#used.set(key, { cache, record, diffID: layer?.diffID })
      const { created, content, title } = record
      const origin = cache.source.name
      return { key: content ?? key, created, title, origin, layer: layer && { diffID: layer.diffID } }
    }
    return undefined
  }

  /** A layer in a cache, for who copies it to another one. */
  held(diffID: string): HeldLayer | undefined {
    return this.#holders(diffID)[0]
  }

  /** All mounts of all caches, for who copies them to another one. */
  mounts(): HeldMount[] {
    return this.#caches.flatMap(({ source, loaded, broken }) =>
      broken ? [] : [...loaded.mounts.values()].map((mount) => ({ source, mount })),
    )
  }

  has(diffID: string): boolean {
    return this.#holders(diffID).length > 0
  }

  tarSize(diffID: string): number | undefined {
    return this.#holders(diffID)[0]?.layer.tarSize
  }

  toc(diffID: string): Promise<Toc | undefined> {
    return once(this.#tocs, diffID, async () => {
      const holder = this.#holders(diffID)[0]
      if (!holder) return undefined
      const listed = holder.layer.toc && (await readToc(holder))
      if (listed) {
        this.#claimed.set(diffID, listed)
        return listed
      }
      await this.fetch(diffID)
      return this.#shop.store.layers.toc(diffID, this.#shop.lease)
    })
  }

  fetch(diffID: string): Promise<void> {
    return once(this.#fetched, diffID, async () => {
      let failure: unknown = new TsboxError('E_CACHE_INVALID', `read cache: no layer "${diffID}"`)
      for (const holder of this.#holders(diffID)) {
        try {
          await fetchLayer(this.#shop, holder, this.#signal)
          return this.#checkClaim(diffID)
        } catch (err) {
          if (this.#signal.aborted || isOurs(err)) throw err
          this.#break(holder.cache, err)
          failure = err
        }
      }
      throw failure
    })
  }

  mount(key: string): Promise<CachedMountData | undefined> {
    return once(this.#mounts, key, async () => {
      for (const { source, loaded, broken } of this.#caches) {
        const mount = broken ? undefined : loaded.mounts.get(key)
        if (!mount) continue
        try {
          return await stageMount(this.#shop, source, mount)
        } catch (err) {
          if (this.#signal.aborted || isOurs(err)) throw err
          this.#report.warn(
            `cannot use cache mount "${mount.id}" of ${source.name}: ${messageOf(err)}: it starts empty`,
          )
        }
      }
      return undefined
    })
  }

  /**
   * Runs a build. When a cache turns out to be damaged on the way, the build is run again without it: what was executed
   * meanwhile is in the store's own cache.
   */
  async retrying<T>(build: () => Promise<T>): Promise<T> {
    for (;;) {
      this.#brokenNow = false
      try {
        return await build()
      } catch (err) {
        if (!this.#brokenNow || this.#signal.aborted) throw err
      }
    }
  }

  /**
   * Keeps the records that were used, as if the steps had been executed here: those whose layers are in the store by now,
   * and those that lead to keys.
   */
  persist(): void {
    const { store, lease } = this.#shop
    for (const [key, { cache, record, diffID }] of this.#used) {
      // What was executed here meanwhile counts more.
      const local = store.cache.get(key)
      if (local && (!local.layer || store.keepLayer(local.layer, lease))) continue
      if (diffID !== undefined && !store.hasLayer(diffID)) continue
      const { created, content, title } = record
      const layer = diffID === undefined ? undefined : { diffID }
      store.cache.put(key, { key: content ?? key, created, title, layer, origin: cache.source.name }, lease)
    }
  }

  close(): void {
    for (const { source } of this.#caches) source.close()
    for (const mount of this.#mounts.values()) void mount.then((m) => m?.close())
  }

  #holders(diffID: string): (HeldLayer & { cache: OpenCache })[] {
    return this.#caches.flatMap((cache) => {
      if (cache.broken) return []
      const layer = cache.loaded.layers.find((l) => l.diffID === diffID && cache.source.has(l.blob))
      return layer ? [{ cache, source: cache.source, layer }] : []
    })
  }

  /** What was believed of a layer that had not been fetched must be true of it. */
  #checkClaim(diffID: string): void {
    const claimed = this.#claimed.get(diffID)
    const toc = claimed && this.#shop.store.layers.toc(diffID, this.#shop.lease)
    if (claimed && (!toc || !sameToc(claimed, toc)))
      throw new TsboxError('E_CACHE_INVALID', `read cache: the table of contents is not that of layer "${diffID}"`)
  }

  #break(cache: OpenCache, err: unknown): void {
    if (cache.broken) return
    cache.broken = err instanceof Error ? err : new Error(String(err))
    this.#brokenNow = true
    // Nothing that it says is believed any more.
    for (const [key, use] of this.#used) if (use.cache === cache) this.#used.delete(key)
    this.#report.warn(`the cache at ${cache.source.name} is damaged: ${messageOf(err)}: building without it`)
  }
}

function nameOf(from: CacheFrom): string {
  if (from.type === 'registry') return `registry:${from.ref}`
  return from.type === 'image' ? `image:${from.reference}` : `local:${from.src}`
}

function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err)
}

/** Whether a failure is this machine's rather than the cache's: a full disk must not look like a damaged cache. */
function isOurs(err: unknown): boolean {
  if (err instanceof TsboxError) return err.code === 'E_DISK_FULL' || err.code === 'E_STORE_UNWRITABLE'
  const code = errnoCode(err)
  return code === 'ENOSPC' || code === 'EDQUOT'
}
