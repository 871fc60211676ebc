import { TsboxError } from '../../base/error.js'
import {
  CACHE_CONFIG_TYPE,
  type CachedLayer,
  type CachedMount,
  type CachedRecord,
  encodeCacheConfig,
  TOC_TYPE,
} from '../../build/export/cache-config.js'
import type { CacheEntries, CacheEntry } from '../../build/export/cache-entries.js'
import type { Layer } from '../../build/seams.js'
import { encodeToc } from '../../layer/toc.js'
import { digestOf } from '../../oci/digest.js'
import { type Descriptor, encodeManifest } from '../../oci/manifest.js'
import { layerTypeOf, MEDIA } from '../../oci/media-type.js'
import type { Platform } from '../../oci/platform.js'
import { contentSha256, nodeSha256 } from '../../util/hash.js'
import type { CacheForm } from '../api.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { exportMounts } from './export-mounts.js'
import type { CacheImport, HeldMount } from './import.js'
import { type LoadedCache, loadCache } from './load.js'
import { packed } from './pack.js'
import { verifiedBlob } from './read-blob.js'
import type { CacheSource, CacheTarget } from './transport.js'

/** A layer smaller than this is fetched as fast as its table of contents. */
const TOC_FROM_BYTES = 256 << 10

/** What an export takes from. */
export interface ExportDeps {
  shop: Workshop
  layers: NodeLayers
  /** The caches that the build took from: what was never fetched is copied from there. */
  imported: CacheImport | undefined
  platform: Platform
  env: Readonly<Record<string, string | undefined>>
  signal: AbortSignal
}

type ExportTo = CacheForm

/**
 * Writes records and the layers that they lead to. Blobs that are there already are neither made nor written again; what
 * was there is replaced with the last write.
 *
 * @param status hears of each thing that is written
 * @throws TsboxError E_CACHE_TARGET, E_DISK_FULL and those of layers; the cache is then what it was
 */
export async function exportCache(
  deps: ExportDeps,
  target: CacheTarget,
  entries: CacheEntries,
  to: ExportTo,
  status: (text: string) => void,
): Promise<void> {
  const writer = new CacheWriter(deps, target, to, await previous(target, deps.platform), status)
  for (const entry of entries.records) {
    deps.signal.throwIfAborted()
    if (to.mode === 'max' || entry.own) await writer.record(entry)
  }
  const mounts = await exportMounts(deps, writer, entries.mounts, to, status)
  await writer.finish(mounts)
}

/** What the target has now; a damaged one counts as none. */
async function previous(target: CacheTarget, platform: Platform): Promise<LoadedCache | undefined> {
  try {
    return await loadCache({ ...sourceOf(target), manifest: () => target.manifest() }, platform)
  } catch (err) {
    if (err instanceof TsboxError) return undefined
    throw err
  }
}

function sourceOf(target: CacheTarget) {
  return { name: target.name, has: () => true, open: (d: Descriptor) => target.open(d), close: () => {} }
}

/** Gathers one cache, each blob once. */
export class CacheWriter {
  readonly #deps: ExportDeps
  readonly #target: CacheTarget
  readonly #to: ExportTo
  readonly #before: LoadedCache | undefined
  readonly #status: (text: string) => void
  readonly #blobs = new Map<string, Descriptor>()
  readonly #records = new Map<string, CachedRecord>()
  readonly #layers: CachedLayer[] = []
  readonly #indexes = new Map<string, number>()

  constructor(
    deps: ExportDeps,
    target: CacheTarget,
    to: ExportTo,
    before: LoadedCache | undefined,
    status: (text: string) => void,
  ) {
    this.#deps = deps
    this.#target = target
    this.#to = to
    this.#before = before
    this.#status = status
  }

  async record({ key, created, layer, content, title }: CacheEntry): Promise<void> {
    if (this.#records.has(key)) return
    const index = layer === undefined ? undefined : await this.#layer(layer)
    this.#records.set(key, { key, created, layer: index, content, title })
  }

  /** The media type of what is packed now. */
  get mediaType(): string {
    const { compression } = this.#to
    return layerTypeOf(compression === 'uncompressed' ? 'none' : compression)
  }

  /** A blob that the cache has already, whole, of a tar with that digest and packed as asked. */
  async known(diffID: string): Promise<Descriptor | undefined> {
    const all = [...(this.#before?.layers ?? []), ...(this.#before?.mounts.values() ?? [])]
    const found = all.find((l) => l.diffID === diffID && l.blob.mediaType === this.mediaType)
    if (!found || !(await this.#target.verify(found.blob))) return undefined
    return this.#keep(found.blob)
  }

  /** Packs a tar into the cache. */
  async put(tar: AsyncIterable<Uint8Array>): Promise<Descriptor> {
    const { digest, size } = await this.#target.put(packed(tar, this.#to, this.#deps.env))
    this.#status(`writing layer ${digest}`)
    return this.#keep({ mediaType: this.mediaType, digest, size })
  }

  /** Takes a blob of another cache as it is. @throws TsboxError E_CACHE_INVALID */
  async copy(source: Pick<CacheSource, 'open'>, blob: Descriptor): Promise<Descriptor> {
    if (!(await this.#target.verify(blob))) {
      await this.#target.put(verifiedBlob(source, blob), blob)
      this.#status(`copying layer ${blob.digest}`)
    }
    return this.#keep(blob)
  }

  /** Mounts of the cache that is replaced. */
  mountsBefore(): HeldMount[] {
    return [...(this.#before?.mounts.values() ?? [])].map((mount) => ({ source: this.#target, mount }))
  }

  /** Writes configuration and manifest, and makes them the cache. */
  async finish(mounts: CachedMount[]): Promise<void> {
    const records = [...this.#records.values()]
    const bytes = encodeCacheConfig({ records, layers: this.#layers, mounts })
    const config = await this.#document(CACHE_CONFIG_TYPE, bytes)
    this.#status(`writing config ${config.digest}`)
    const blobs = [...this.#blobs.values()]
    const document = encodeManifest(config, blobs)
    const manifest = { mediaType: MEDIA.manifest, digest: digestOf(nodeSha256, document), size: document.length }
    this.#deps.signal.throwIfAborted()
    await this.#target.commit(manifest, document)
    this.#status(`writing cache image manifest ${manifest.digest}`)
  }

  async #document(mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
    return { mediaType, ...(await this.#target.put(once(bytes))) }
  }

  /** @returns the layer's index in the list of the cache */
  async #layer(layer: Layer): Promise<number> {
    const { layers } = this.#deps
    const { diffID, sizeBytes } = await layers.seal(layer, undefined)
    const there = this.#indexes.get(diffID)
    if (there !== undefined) return there
    const blob = (await this.known(diffID)) ?? (await this.#copied(diffID)) ?? (await this.put(this.#tar(diffID)))
    const toc = await this.#toc({ ...layer, diffID }, blob)
    this.#layers.push({ digest: blob.digest, diffID, tarSize: sizeBytes, ...(toc ? { toc: toc.digest } : {}) })
    this.#indexes.set(diffID, this.#layers.length - 1)
    return this.#layers.length - 1
  }

  async *#tar(diffID: string): AsyncGenerator<Uint8Array> {
    const hash = contentSha256()
    for await (const chunk of this.#deps.layers.openTar(diffID)) {
      this.#deps.signal.throwIfAborted()
      hash.update(chunk)
      yield chunk
    }
    if (`sha256:${hash.hex()}` !== diffID)
      throw new TsboxError('E_BLOB_CORRUPT', `write cache: the tar of a layer does not match its digest: "${diffID}"`, {
        hint: 'build the image again with --no-cache',
      })
  }

  /** A layer that was never fetched goes from one cache to the other as it is. */
  async #copied(diffID: string): Promise<Descriptor | undefined> {
    const { shop, imported } = this.#deps
    const held = shop.store.hasLayer(diffID) ? undefined : imported?.held(diffID)
    return held && this.copy(held.source, held.layer.blob)
  }

  async #toc(layer: Layer & { diffID: string }, blob: Descriptor): Promise<Descriptor | undefined> {
    if (blob.size < TOC_FROM_BYTES) return undefined
    const before = this.#before?.layers.find((l) => l.diffID === layer.diffID)?.toc
    if (before && (await this.#target.verify(before))) return this.#keep(before)
    const bytes = encodeToc(await this.#deps.layers.toc(layer))
    const { digest, size } = await this.#target.put(packed(once(bytes), { compression: 'gzip' }, this.#deps.env))
    return this.#keep({ mediaType: TOC_TYPE, digest, size })
  }

  #keep({ mediaType, digest, size }: Descriptor): Descriptor {
    const known = this.#blobs.get(digest) ?? { mediaType, digest, size }
    this.#blobs.set(digest, known)
    return known
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
