import { TsboxError } from '../base/error.js'
import { digestOf } from '../oci/digest.js'
import { type Descriptor, type ImageIndex, type ImageManifest, isIndex } from '../oci/manifest.js'
import type { Platform } from '../oci/platform.js'
import { formatPlatform } from '../oci/platform.js'
import { chooseImage, platformsOf } from '../oci/platform-choice.js'
import type { Reference } from '../oci/reference.js'
import { nodeSha256 } from '../util/hash.js'
import { readBody } from './http/answer.js'
import { Attempts } from './http/retry.js'
import { TransportError } from './http/transport.js'
import { checkImage, type FetchedManifest } from './manifest.js'
import type { Repository } from './repository.js'

/** An index in an index in an index … means nothing good. */
const MAX_INDEX_DEPTH = 3

/** What a name means in a registry at the moment. */
export interface Resolved {
  /** The manifest or index that the name stands for. */
  root: FetchedManifest
  /** Where more can be had: the place that answered, then the others. */
  sources: readonly Repository[]
}

/** One image of one platform. */
export interface ResolvedImage extends Resolved {
  manifest: FetchedManifest & { document: ImageManifest }
}

/**
 * Finds what a reference names: at the first place that has it.
 *
 * @param places in the order to ask them: mirrors, then the registry, whose error counts
 * @throws TsboxError E_REGISTRY_NOT_FOUND, E_REGISTRY_DENIED, E_REGISTRY_UNREACHABLE and those of manifests
 */
export async function resolveReference(
  places: readonly Repository[],
  reference: Reference,
  signal?: AbortSignal,
): Promise<Resolved> {
  const wanted = reference.digest ?? reference.tag ?? 'latest'
  return firstOf(
    places,
    async (place) => ({
      root: await place.manifest(wanted, signal),
      sources: [place, ...places.filter((p) => p !== place)],
    }),
    signal,
  )
}

/**
 * Goes from a name to the image for a platform.
 *
 * @throws TsboxError E_NO_PLATFORM, E_MANIFEST_INVALID, E_NOT_AN_IMAGE, E_FOREIGN_LAYER, E_LAYER_TYPE
 */
export async function resolveImage(
  resolved: Resolved,
  platform: Platform,
  name: string,
  signal?: AbortSignal,
): Promise<ResolvedImage> {
  let at = resolved.root
  for (let depth = 0; isIndex(at.document); depth++) {
    if (depth === MAX_INDEX_DEPTH)
      throw new TsboxError('E_MANIFEST_INVALID', `read manifest: indexes in indexes, too many: "${name}"`)
    const chosen = choose(at.document, platform, name)
    at = await firstOf(resolved.sources, (place) => place.manifest(chosen.digest, signal), signal)
    if (at.bytes.length !== chosen.size)
      throw new TsboxError(
        'E_DIGEST_MISMATCH',
        `read manifest: ${at.bytes.length} bytes, not ${chosen.size}: "${name}"`,
      )
  }
  const document = checkImage(at.document, name)
  return { ...resolved, manifest: { ...at, document } }
}

function choose(index: ImageIndex, platform: Platform, name: string): Descriptor {
  const chosen = chooseImage(index.manifests, platform)
  if (chosen) return chosen
  const there = platformsOf(index.manifests)
  throw new TsboxError('E_NO_PLATFORM', `read manifest: no image for "${formatPlatform(platform)}" is in "${name}"`, {
    hint: there ? `there are images for ${there}: choose one with --platform` : 'there are no images in it',
  })
}

/**
 * A small blob, verified.
 *
 * @throws TsboxError E_DIGEST_MISMATCH, E_REGISTRY_ANSWER, E_REGISTRY_NOT_FOUND
 */
export async function fetchDocument(
  sources: readonly Repository[],
  blob: Descriptor,
  maxBytes: number,
  what: string,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (blob.size > maxBytes)
    throw new TsboxError('E_REGISTRY_ANSWER', `read ${what}: ${blob.size} bytes are too many: "${blob.digest}"`)
  return firstOf(sources, (source) => oneDocument(source, blob, what, signal), signal)
}

async function oneDocument(
  source: Repository,
  blob: Descriptor,
  what: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const about = { action: `read ${what}`, what: blob.digest }
  const attempts = new Attempts(source.connection.retry, signal)
  for (;;) {
    try {
      const answer = await source.askBlob(blob.digest, 0, signal)
      if (answer.status !== 200) throw await source.connection.refusal(about, answer)
      const bytes = await readBody(answer, blob.size, what)
      if (digestOf(nodeSha256, bytes) === blob.digest) return bytes
      if (!(await attempts.next()))
        throw new TsboxError('E_DIGEST_MISMATCH', `read ${what}: its content has another digest: "${blob.digest}"`)
    } catch (err) {
      if (!(err instanceof TransportError)) throw err
      if (!(await attempts.after(err))) throw source.connection.unreachable(about, err)
    }
  }
}

/** What the first place gives that does not fail; the failure of the last one counts. */
export async function firstOf<T>(
  places: readonly Repository[],
  ask: (place: Repository) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  let failure: unknown
  for (const place of places) {
    try {
      return await ask(place)
    } catch (err) {
      signal?.throwIfAborted()
      if (!(err instanceof TsboxError)) throw err
      // The registry itself is the one whose word counts.
      if (failure === undefined || !place.endpoint.isMirror) failure = err
    }
  }
  throw failure
}
