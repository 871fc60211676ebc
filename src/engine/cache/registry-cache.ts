import { TsboxError } from '../../base/error.js'
import type { Descriptor } from '../../oci/manifest.js'
import { isIndexType, isManifestType } from '../../oci/media-type.js'
import { parseReference, type Reference } from '../../oci/reference.js'
import type { FetchedManifest } from '../../registry/manifest.js'
import { pushBlob } from '../../registry/push-blob.js'
import type { Repository } from '../../registry/repository.js'
import { resolveReference } from '../../registry/resolve.js'
import { resolveShortName } from '../../registry/short-name.js'
import { streamBlob } from '../../registry/stream-blob.js'
import { readChunks } from '../../util/read-chunks.js'
import type { RegistryDeps } from '../registry/deps.js'
import type { CacheSource, CacheTarget } from './transport.js'

/** What names a cache in a registry. */
export interface RegistryCache {
  ref: string
  insecure?: boolean | undefined
}

/** A cache, or an image with an inline one, in a registry. @throws TsboxError as those of registries */
export async function openRegistrySource(
  deps: RegistryDeps,
  { ref, insecure }: RegistryCache,
  signal: AbortSignal,
): Promise<CacheSource> {
  const registry = await deps.registry()
  const reference = resolveShortName(registry.endpoints, ref)
  const places = registry.repositories(reference, 'pull', { insecure })
  const resolved = await found(() => resolveReference(places, reference, signal))
  const reader = new RegistryReader(resolved?.sources[0] ?? places.at(-1)!, resolved?.root, signal)
  return {
    name: `registry:${ref}`,
    manifest: async () => resolved && descriptorOf(resolved.root),
    // Only asking would tell.
    has: () => true,
    open: (blob) => reader.open(blob),
    close: () => {},
  }
}

/** A tag of a registry as a cache: blobs first, the manifest last, so that it is what it was until then. */
export async function openRegistryTarget(
  deps: RegistryDeps,
  { ref, insecure }: RegistryCache,
  signal: AbortSignal,
): Promise<CacheTarget> {
  const reference = parseReference(ref)
  if (reference.digest !== undefined)
    throw new TsboxError('E_REFERENCE_INVALID', `write cache: it goes under a tag, not under a digest: "${ref}"`)
  const repository = (await deps.registry()).repositories(reference, 'push', { insecure })[0]!
  const before = await found(() => repository.manifest(reference.tag!, signal))
  return new RegistryTarget(deps, repository, reference, before, signal)
}

class RegistryReader {
  readonly #repository: Repository
  readonly #known: FetchedManifest | undefined
  readonly #signal: AbortSignal

  constructor(repository: Repository, known: FetchedManifest | undefined, signal: AbortSignal) {
    this.#repository = repository
    this.#known = known
    this.#signal = signal
  }

  async *open(blob: Descriptor): AsyncGenerator<Uint8Array> {
    if (blob.digest === this.#known?.digest) yield this.#known.bytes
    else if (isManifestType(blob.mediaType) || isIndexType(blob.mediaType))
      yield (await this.#repository.manifest(blob.digest, this.#signal)).bytes
    else yield* streamBlob(this.#repository, blob, this.#signal)
  }
}

class RegistryTarget implements CacheTarget {
  readonly name: string
  readonly #deps: RegistryDeps
  readonly #repository: Repository
  readonly #reference: Reference
  readonly #before: FetchedManifest | undefined
  readonly #reader: RegistryReader
  readonly #signal: AbortSignal

  constructor(
    deps: RegistryDeps,
    repository: Repository,
    reference: Reference,
    before: FetchedManifest | undefined,
    signal: AbortSignal,
  ) {
    this.name = `registry:${reference}`
    this.#deps = deps
    this.#repository = repository
    this.#reference = reference
    this.#before = before
    this.#signal = signal
    this.#reader = new RegistryReader(repository, before, signal)
  }

  async manifest(): Promise<Descriptor | undefined> {
    return this.#before && descriptorOf(this.#before)
  }

  open(blob: Descriptor): AsyncIterable<Uint8Array> {
    return this.#reader.open(blob)
  }

  /** A registry takes a blob only where its bytes have its digest. */
  async verify({ digest, size }: Descriptor): Promise<boolean> {
    return (await this.#repository.blobSize(digest, this.#signal)) === size
  }

  async put(content: AsyncIterable<Uint8Array>, expected?: Descriptor): Promise<{ digest: string; size: number }> {
    const { store, lease } = this.#deps
    // On disk first: its digest must be known before it is sent, and it may have to be sent twice.
    const writer = store.blobs.writer(lease)
    try {
      for await (const chunk of content) {
        this.#signal.throwIfAborted()
        writer.write(chunk)
      }
      const { digest, sizeBytes: size } = writer.end()
      if (expected && (expected.digest !== digest || expected.size !== size))
        throw new TsboxError('E_DIGEST_MISMATCH', `write cache: content has digest ${digest}, not "${expected.digest}"`)
      const mountFrom = this.#mounts(digest)
      const open = (offset: number) => readChunks(writer.tempPath, offset)
      const blob = { mediaType: '', digest, size }
      await pushBlob(this.#repository, { blob, open, mountFrom }, () => {}, this.#signal)
      return { digest, size }
    } finally {
      writer.abort()
    }
  }

  async commit({ digest, mediaType }: Descriptor, bytes: Uint8Array): Promise<void> {
    await this.#repository.putManifest(this.#reference.tag!, { bytes, digest, mediaType }, this.#signal)
  }

  close(): void {}

  #mounts(digest: string): string[] {
    const host = `${this.#repository.endpoint.registry}/`
    const known = this.#deps.store.origins.of(digest).filter((r) => r.startsWith(host) && r !== this.#repository.name)
    return known.map((r) => r.slice(host.length))
  }
}

function descriptorOf({ mediaType, digest, bytes }: FetchedManifest): Descriptor {
  return { mediaType, digest, size: bytes.length }
}

/** What is there; undefined for what is not there yet. */
async function found<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (err) {
    if (err instanceof TsboxError && err.code === 'E_REGISTRY_NOT_FOUND') return undefined
    throw err
  }
}
