import { TsboxError } from '../../base/error.js'
import type { ImageConfig } from '../../oci/config.js'
import { isDigest } from '../../oci/digest.js'
import { type Descriptor, type ImageManifest, parseObject } from '../../oci/manifest.js'
import { isLayerType } from '../../oci/media-type.js'

/** What the configuration of an exported cache is. BuildKit's is `application/vnd.buildkit.cacheconfig.v0`: its keys are others. */
export const CACHE_CONFIG_TYPE = 'application/vnd.tsbox.cacheconfig.v1+json'
/** A layer's table of contents, gzipped: lets a build look into a layer that it need not fetch. */
export const TOC_TYPE = 'application/vnd.tsbox.layer.toc.v1+gzip'
/** The field of an image's configuration that holds an inline cache. */
export const INLINE_FIELD = 'tsbox.cache.v1'

const VERSION = 1
const MAX_TEXT = 4096

/** One build-cache record, as a cache has it. */
export interface CachedRecord {
  key: string
  /** Seconds since 1970, when the step was executed. */
  created: number
  /** Index of the layer in the cache's list. */
  layer?: number | undefined
  /** The outward key that a definition key leads to. */
  content?: string | undefined
  title?: string | undefined
}

/** A layer of a cache, and the blob of the manifest that it is in. */
export interface CachedLayer {
  /** Of the blob, as the manifest lists it. */
  digest: string
  diffID: string
  /** Bytes of the uncompressed tar. */
  tarSize: number
  /** Digest of the blob with its table of contents. */
  toc?: string | undefined
}

/** What a `RUN --mount=type=cache` held. */
export interface CachedMount extends CachedLayer {
  /** Names it on every machine: hash of id, mode, owner and source. */
  key: string
  /** As the Dockerfile names it. */
  id: string
  /** Mode and owner of the folder itself. */
  mode: number
  uid: number
  gid: number
}

/** The configuration of an exported cache. */
export interface CacheConfig {
  version: typeof VERSION
  records: CachedRecord[]
  layers: CachedLayer[]
  mounts: CachedMount[]
}

/** Fields in one order, undefined ones left out, so that equal caches are equal bytes. */
export function encodeCacheConfig(config: Omit<CacheConfig, 'version'>): Uint8Array {
  const { records, layers, mounts } = config
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, records, layers, mounts }))
}

/**
 * Reads a cache's configuration, whoever wrote it: every field is checked, every blob must be one that the manifest lists
 * with its size.
 *
 * @throws TsboxError E_CACHE_INVALID
 */
export function parseCacheConfig(bytes: Uint8Array, manifest: ImageManifest): CacheConfig {
  const value = parseObject(bytes, 'cache config')
  if (value.version !== VERSION) throw invalid(`its version is "${String(value.version)}", known is ${VERSION}`)
  const blobs = new Map(manifest.layers.map((d) => [d.digest, d]))
  const layers = listOf(value.layers, 'layers').map((l) => checkLayer(l, blobs))
  const records = listOf(value.records, 'records').map((r) => checkRecord(r, layers.length))
  const mounts = listOf(value.mounts, 'mounts').map((m) => checkMount(m, blobs))
  return { version: VERSION, records, layers, mounts }
}

/** Reads what an image's configuration has of an inline cache; undefined where it has none. @throws TsboxError E_CACHE_INVALID */
export function parseInlineCache(config: ImageConfig): CachedRecord[] | undefined {
  const field = (config as unknown as Record<string, unknown>)[INLINE_FIELD]
  if (field === undefined) return undefined
  if (field === null || typeof field !== 'object') throw invalid(`"${INLINE_FIELD}" is no object`)
  const { records } = field as Record<string, unknown>
  return listOf(records, 'records').map((r) => checkRecord(r, config.rootfs.diff_ids.length))
}

function checkRecord(r: Record<string, unknown>, layers: number): CachedRecord {
  const { key, created, layer, content, title } = r
  if (!isKey(key)) throw invalid(`malformed key "${String(key)}"`)
  if (!isCount(created)) throw invalid(`malformed time "${String(created)}"`)
  if (layer !== undefined && !(isCount(layer) && layer < layers)) throw invalid(`no layer "${String(layer)}"`)
  if (content !== undefined && !isKey(content)) throw invalid(`malformed key "${String(content)}"`)
  if (title !== undefined && !isText(title)) throw invalid('malformed title')
  return { key, created, layer, content, title }
}

function checkLayer(l: Record<string, unknown>, blobs: ReadonlyMap<string, Descriptor>): CachedLayer {
  const { digest, diffID, tarSize, toc } = l
  if (typeof digest !== 'string' || typeof diffID !== 'string' || !isDigest(diffID) || !isCount(tarSize))
    throw invalid('a layer has no digest, diffID or size')
  const blob = blobs.get(digest)
  if (!blob || !isLayerType(blob.mediaType)) throw invalid(`the manifest lists no layer "${digest}"`)
  if (toc === undefined) return { digest, diffID, tarSize }
  if (typeof toc !== 'string' || blobs.get(toc)?.mediaType !== TOC_TYPE)
    throw invalid(`the manifest lists no table of contents "${String(toc)}"`)
  return { digest, diffID, tarSize, toc }
}

function checkMount(m: Record<string, unknown>, blobs: ReadonlyMap<string, Descriptor>): CachedMount {
  const { key, id, mode, uid, gid } = m
  if (!isKey(key) || !isText(id)) throw invalid('a mount has no key or id')
  if (!isCount(mode) || mode > 0o7777 || !isId(uid) || !isId(gid))
    throw invalid(`a mount has no mode or owner: "${id}"`)
  return { ...checkLayer(m, blobs), key, id, mode, uid, gid }
}

function listOf(value: unknown, name: string): Record<string, unknown>[] {
  if (!Array.isArray(value)) throw invalid(`"${name}" is no list`)
  for (const item of value as unknown[])
    if (item === null || typeof item !== 'object') throw invalid(`"${name}" holds something else than objects`)
  return value as Record<string, unknown>[]
}

function isKey(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isId(value: unknown): value is number {
  return isCount(value) && value < 2 ** 32 - 1
}

function invalid(state: string): TsboxError {
  return new TsboxError('E_CACHE_INVALID', `read cache: ${state}`)
}
