import { TsboxError } from '../base/error.js'
import { type Digest, digestOf, isDigest } from '../oci/digest.js'
import { type ImageIndex, type ImageManifest, isIndex, parseManifest, parseObject } from '../oci/manifest.js'
import { isConfigType, isIndexType, isLayerType, isManifestType, MEDIA } from '../oci/media-type.js'
import { nodeSha256 } from '../util/hash.js'
import { readBody } from './http/answer.js'
import type { HttpResponse } from './http/transport.js'

/** Registries take manifests up to 4 MiB; a larger one is an attack or a mistake. */
const MAX_MANIFEST_BYTES = 4 << 20

/** What a request for a manifest accepts. */
export const MANIFEST_TYPES = [MEDIA.manifest, MEDIA.index, MEDIA.dockerManifest, MEDIA.dockerIndex].join(', ')

/** A manifest or an index as a registry gave it, verified as far as it can be. */
export interface FetchedManifest {
  bytes: Uint8Array
  digest: Digest
  mediaType: string
  document: ImageManifest | ImageIndex
}

/**
 * Reads an answer that is a manifest.
 *
 * @param wanted the digest that was asked for; undefined for a tag
 * @throws TsboxError E_DIGEST_MISMATCH, E_MANIFEST_INVALID, E_MANIFEST_SCHEMA1, E_REGISTRY_ANSWER
 */
export async function readManifest(
  answer: HttpResponse,
  wanted: string | undefined,
  name: string,
): Promise<FetchedManifest> {
  const bytes = await readBody(answer, MAX_MANIFEST_BYTES, 'manifest')
  const digest = digestOf(nodeSha256, bytes)
  const told = answer.headers['docker-content-digest']
  const expected = wanted ?? (told !== undefined && isDigest(told) ? told : digest)
  if (digest !== expected)
    throw new TsboxError(
      'E_DIGEST_MISMATCH',
      `read manifest: its digest is ${digest}, not the ${expected} of "${name}"`,
    )
  return { bytes, digest, ...checked(bytes, answer.headers['content-type'], name) }
}

/** @throws TsboxError E_MANIFEST_INVALID, E_MANIFEST_SCHEMA1 */
function checked(
  bytes: Uint8Array,
  contentType: string | undefined,
  name: string,
): Pick<FetchedManifest, 'mediaType' | 'document'> {
  const sent = contentType?.split(';')[0]?.trim().toLowerCase()
  if (
    /vnd\.docker\.distribution\.manifest\.v1\+/.test(sent ?? '') ||
    parseObject(bytes, 'manifest').schemaVersion === 1
  )
    throw schema1(name)
  const document = parseManifest(bytes)
  const own = document.mediaType
  const byType = [sent, own].filter((t) => t !== undefined && (isIndexType(t) || isManifestType(t))) as string[]
  // CVE-2021-41190: one document that two readers take for two things.
  if (byType.some((t) => isIndexType(t) !== isIndex(document)) || new Set(byType).size > 1)
    throw new TsboxError(
      'E_MANIFEST_INVALID',
      `read manifest: it is sent as "${sent ?? ''}" and says that it is "${own ?? 'nothing'}": "${name}"`,
    )
  const fallback = isIndex(document) ? MEDIA.index : MEDIA.manifest
  return { document, mediaType: own ?? byType[0] ?? fallback }
}

function schema1(name: string): TsboxError {
  return new TsboxError(
    'E_MANIFEST_SCHEMA1',
    `read manifest: it is of docker's schema 1, whose layers have no digests of their own: "${name}"`,
    {
      hint: 'have it pushed again by a docker of 1.10 or newer',
    },
  )
}

/**
 * Checks that a manifest is that of an image whose layers can be had and unpacked.
 *
 * @throws TsboxError E_NOT_AN_IMAGE, E_FOREIGN_LAYER, E_LAYER_TYPE
 */
export function checkImage(manifest: ImageManifest, name: string): ImageManifest {
  const { mediaType } = manifest.config
  if (manifest.artifactType !== undefined || !isConfigType(mediaType))
    throw new TsboxError(
      'E_NOT_AN_IMAGE',
      `read manifest: an artifact, not an image: "${manifest.artifactType ?? mediaType}" at "${name}"`,
    )
  for (const layer of manifest.layers) {
    if (/nondistributable|\.foreign\./.test(layer.mediaType))
      throw new TsboxError(
        'E_FOREIGN_LAYER',
        `read manifest: a layer is kept elsewhere, not in the registry: "${layer.digest}"`,
        {
          hint: 'such layers are those of Windows; tsbox runs Linux images',
        },
      )
    if (!isLayerType(layer.mediaType))
      throw new TsboxError('E_LAYER_TYPE', `read manifest: unknown kind of layer: "${layer.mediaType}" at "${name}"`)
  }
  return manifest
}
