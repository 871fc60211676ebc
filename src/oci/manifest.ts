import { TsboxError } from '../base/error.js'
import { isDigest } from './digest.js'
import { isIndexType, isManifestType, MEDIA, mediaTypeAs } from './media-type.js'

/** Points to content. @see OCI image-spec 1.1, descriptor.md */
export interface Descriptor {
  mediaType: string
  digest: string
  /** Bytes. */
  size: number
  urls?: string[]
  annotations?: Record<string, string>
  data?: string
  artifactType?: string
  platform?: DescriptorPlatform
}

/** Platform of an entry of an index. @see OCI image-spec 1.1, image-index.md */
export interface DescriptorPlatform {
  architecture: string
  os: string
  'os.version'?: string
  'os.features'?: string[]
  variant?: string
}

/** One image. @see OCI image-spec 1.1, manifest.md */
export interface ImageManifest {
  schemaVersion: 2
  mediaType?: string
  artifactType?: string
  config: Descriptor
  layers: Descriptor[]
  subject?: Descriptor
  annotations?: Record<string, string>
}

/** Several images under one name. @see OCI image-spec 1.1, image-index.md */
export interface ImageIndex {
  schemaVersion: 2
  mediaType?: string
  artifactType?: string
  manifests: Descriptor[]
  subject?: Descriptor
  annotations?: Record<string, string>
}

/**
 * Reads a manifest or an index; unknown fields stay.
 *
 * @throws TsboxError E_MANIFEST_INVALID
 */
export function parseManifest(bytes: Uint8Array): ImageManifest | ImageIndex {
  const value = parseObject(bytes, 'manifest')
  if (value.schemaVersion !== 2) throw invalid(`schemaVersion is "${String(value.schemaVersion)}", not 2`)
  const mediaType = value.mediaType
  if (mediaType !== undefined && typeof mediaType !== 'string') throw invalid('mediaType is no text')
  const hasManifests = Array.isArray(value.manifests)
  const hasLayers = Array.isArray(value.layers)
  // Both at once is how CVE-2021-41190 confused two readers of one document.
  if (hasManifests && hasLayers) throw invalid('it has both "layers" and "manifests"')
  if (hasManifests && !isManifestType(mediaType)) return checkIndex(value as unknown as ImageIndex)
  if (hasLayers && !isIndexType(mediaType)) return checkManifest(value as unknown as ImageManifest)
  throw invalid(`it is neither an image manifest nor an index: "${String(mediaType)}"`)
}

/** True for an index. */
export function isIndex(m: ImageManifest | ImageIndex): m is ImageIndex {
  return 'manifests' in m
}

/** @throws TsboxError E_MANIFEST_INVALID where `bytes` is no JSON object */
export function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new TsboxError('E_MANIFEST_INVALID', `read ${what}: not JSON`, { cause })
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new TsboxError('E_MANIFEST_INVALID', `read ${what}: not a JSON object`)
  return value as Record<string, unknown>
}

function checkIndex(index: ImageIndex): ImageIndex {
  for (const d of index.manifests) checkDescriptor(d, 'manifests')
  return index
}

function checkManifest(manifest: ImageManifest): ImageManifest {
  checkDescriptor(manifest.config, 'config')
  for (const d of manifest.layers) checkDescriptor(d, 'layers')
  return manifest
}

function checkDescriptor(d: Descriptor | undefined, where: string): void {
  if (!d || typeof d !== 'object') throw invalid(`"${where}" holds no descriptor`)
  if (typeof d.mediaType !== 'string') throw invalid(`a descriptor in "${where}" has no mediaType`)
  if (typeof d.digest !== 'string' || !isDigest(d.digest))
    throw invalid(`a descriptor in "${where}" has no sha256 digest: "${String(d.digest)}"`)
  if (!Number.isSafeInteger(d.size) || d.size < 0)
    throw invalid(`a descriptor in "${where}" has no size: "${String(d.size)}"`)
}

function invalid(state: string): TsboxError {
  return new TsboxError('E_MANIFEST_INVALID', `read manifest: ${state}`)
}

/**
 * The manifest that tsbox writes for an image: two-space free JSON, fields in the specification's order, so that equal
 * images have equal digests.
 *
 * @param more annotations, in the order of their names; `family` chooses the manifest's own media type
 */
export function encodeManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  { annotations = {}, family = 'oci' }: { annotations?: Record<string, string>; family?: 'oci' | 'docker' } = {},
): Uint8Array {
  const mediaType = mediaTypeAs(family, MEDIA.manifest)
  const manifest: ImageManifest = { schemaVersion: 2, mediaType, config, layers: [...layers] }
  if (Object.keys(annotations).length) manifest.annotations = sortedByName(annotations)
  return new TextEncoder().encode(JSON.stringify(manifest))
}

/** Fields by name, as Go writes a map. */
export function sortedByName<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}
