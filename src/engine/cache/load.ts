import { TsboxError } from '../../base/error.js'
import {
  CACHE_CONFIG_TYPE,
  type CachedLayer,
  type CachedMount,
  type CachedRecord,
  parseCacheConfig,
  parseInlineCache,
} from '../../build/export/cache-config.js'
import { parseConfig } from '../../oci/image-config.js'
import { type Descriptor, type ImageManifest, isIndex, parseManifest } from '../../oci/manifest.js'
import { isConfigType, isManifestType } from '../../oci/media-type.js'
import { normalisePlatform, type Platform, platformMatches } from '../../oci/platform.js'
import { readBlob } from './read-blob.js'
import type { CacheSource } from './transport.js'

const MAX_MANIFEST_BYTES = 8 << 20
const MAX_CONFIG_BYTES = 64 << 20
const BUILDKIT_CONFIG = 'application/vnd.buildkit.cacheconfig.v0'

/** A layer of a cache, and where it is. */
export interface LoadedLayer {
  blob: Descriptor
  diffID: string
  /** Bytes of the uncompressed tar; undefined where only reading it would tell. */
  tarSize?: number | undefined
  toc?: Descriptor | undefined
}

/** What a cache knows: everything but the layers themselves. */
export interface LoadedCache {
  records: Map<string, CachedRecord>
  /** In the order that records count by. */
  layers: LoadedLayer[]
  mounts: Map<string, CachedMount & { blob: Descriptor }>
}

/**
 * Reads the manifest and the configuration of a cache, or of an image with an inline one; every byte is verified before it
 * is looked at.
 *
 * @returns undefined where there is nothing yet
 * @throws TsboxError E_CACHE_INVALID, E_CACHE_MISSING, E_MANIFEST_INVALID
 */
export async function loadCache(source: CacheSource, platform: Platform): Promise<LoadedCache | undefined> {
  const descriptor = await source.manifest()
  if (!descriptor) return undefined
  const manifest = await readManifest(source, descriptor, platform)
  const { config } = manifest
  if (config.mediaType === BUILDKIT_CONFIG) throw foreign()
  const bytes = await readBlob(source, config, MAX_CONFIG_BYTES)
  if (config.mediaType === CACHE_CONFIG_TYPE) return fromConfig(bytes, manifest)
  if (!isConfigType(config.mediaType))
    throw new TsboxError('E_CACHE_INVALID', `read cache: neither a cache nor an image: "${config.mediaType}"`)
  return fromImage(bytes, manifest)
}

async function readManifest(source: CacheSource, d: Descriptor, platform: Platform): Promise<ImageManifest> {
  const manifest = parseManifest(await readBlob(source, d, MAX_MANIFEST_BYTES))
  if (!isIndex(manifest)) return manifest
  const { manifests } = manifest
  if (manifests.some((m) => m.mediaType === BUILDKIT_CONFIG)) throw foreign()
  const images = manifests.filter((m) => isManifestType(m.mediaType))
  const match = images.find((m) => m.platform && platformMatches(normalisePlatform(m.platform), platform)) ?? images[0]
  const chosen = match && parseManifest(await readBlob(source, match, MAX_MANIFEST_BYTES))
  if (!chosen || isIndex(chosen)) throw new TsboxError('E_CACHE_INVALID', 'read cache: no image is in the index')
  return chosen
}

function fromConfig(bytes: Uint8Array, manifest: ImageManifest): LoadedCache {
  const config = parseCacheConfig(bytes, manifest)
  const blobs = new Map(manifest.layers.map((d) => [d.digest, d]))
  const loaded = (l: CachedLayer): LoadedLayer => ({
    blob: blobs.get(l.digest)!,
    diffID: l.diffID,
    tarSize: l.tarSize,
    toc: l.toc === undefined ? undefined : blobs.get(l.toc),
  })
  return {
    records: byKey(config.records),
    layers: config.layers.map(loaded),
    mounts: new Map(config.mounts.map((m) => [m.key, { ...m, blob: blobs.get(m.digest)! }])),
  }
}

function fromImage(bytes: Uint8Array, manifest: ImageManifest): LoadedCache {
  const config = parseConfig(bytes)
  const records = parseInlineCache(config)
  if (!records)
    throw new TsboxError('E_CACHE_MISSING', 'read cache: the image has none in its configuration', {
      hint: 'build it with --cache-to type=inline',
    })
  const diffIDs = config.rootfs.diff_ids
  if (diffIDs.length !== manifest.layers.length)
    throw new TsboxError('E_CACHE_INVALID', 'read cache: manifest and configuration list other layers')
  const layers = manifest.layers.map((blob, i) => {
    const diffID = diffIDs[i]!
    return { blob, diffID, tarSize: blob.digest === diffID ? blob.size : undefined }
  })
  return { records: byKey(records), layers, mounts: new Map() }
}

function byKey(records: readonly CachedRecord[]): Map<string, CachedRecord> {
  return new Map(records.map((r) => [r.key, r]))
}

function foreign(): TsboxError {
  return new TsboxError('E_CACHE_INVALID', 'read cache: it was written by BuildKit, whose keys mean other things', {
    hint: 'export one with tsbox build --cache-to',
  })
}
