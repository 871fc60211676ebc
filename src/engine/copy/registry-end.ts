import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import type { Hasher } from '../../base/hash.js'
import type { Descriptor } from '../../oci/manifest.js'
import { parseReference, type Reference } from '../../oci/reference.js'
import { type BlobSink, fetchBlob } from '../../registry/fetch-blob.js'
import { pushBlob } from '../../registry/push-blob.js'
import type { Registry } from '../../registry/registry.js'
import type { Repository } from '../../registry/repository.js'
import { firstOf, resolveReference } from '../../registry/resolve.js'
import { resolveShortName } from '../../registry/short-name.js'
import { contentSha256 } from '../../util/hash.js'
import { readChunks } from '../../util/read-chunks.js'
import { withStorageErrors } from '../../util/storage-error.js'
import type { TransferLine } from '../registry/transfers.js'
import type { CopySource, CopyTarget, LocalBlob, RawManifest } from './end.js'

/** An image of a registry. */
export class RegistrySource implements CopySource {
  readonly #reference: Reference
  readonly #places: readonly Repository[]
  readonly #temp: () => string
  #sources: readonly Repository[]

  /** @param temp names for files that are on their way */
  constructor(registry: Registry, text: string, temp: () => string) {
    this.#reference = resolveShortName(registry.endpoints, text)
    this.#places = registry.repositories(this.#reference, 'pull')
    this.#sources = this.#places
    this.#temp = temp
  }

  async root(): Promise<RawManifest> {
    const { root, sources } = await resolveReference(this.#places, this.#reference)
    this.#sources = sources
    return root
  }

  manifest({ digest }: Descriptor): Promise<RawManifest> {
    return firstOf(this.#sources, (place) => place.manifest(digest))
  }

  async blob(descriptor: Descriptor, line: TransferLine, signal: AbortSignal): Promise<LocalBlob> {
    const spool = new Spool(this.#temp(), descriptor, line)
    try {
      await fetchBlob(this.#sources, descriptor, spool, signal)
    } catch (err) {
      spool.drop()
      throw err
    }
    return spool
  }

  get repositories(): readonly string[] {
    return this.#sources.map((place) => place.name)
  }

  close(): void {}
}

/** A blob on its way, in a file. */
class Spool implements BlobSink, LocalBlob {
  readonly #path: string
  readonly #descriptor: Descriptor
  readonly #line: TransferLine
  #fd: number | undefined
  #hash: Hasher = contentSha256()
  offset = 0

  constructor(path: string, descriptor: Descriptor, line: TransferLine) {
    this.#path = path
    this.#descriptor = descriptor
    this.#line = line
    this.#fd = this.#guard(() => openSync(path, 'wx', 0o600))
  }

  #guard<T>(task: () => T): T {
    return withStorageErrors('copy image', this.#path, task)
  }

  write(chunk: Uint8Array): void {
    this.#guard(() => {
      for (let at = 0; at < chunk.length; ) at += writeSync(this.#fd!, chunk, at, chunk.length - at, this.offset + at)
    })
    this.#hash.update(chunk)
    this.offset += chunk.length
    this.#line.at(this.offset)
  }

  restart(): void {
    this.offset = 0
    this.#hash = contentSha256()
  }

  verify(): boolean {
    const right = this.offset === this.#descriptor.size && `sha256:${this.#hash.hex()}` === this.#descriptor.digest
    if (!right) this.restart()
    return right
  }

  open(offset: number): AsyncIterable<Uint8Array> {
    return readChunks(this.#path, offset)
  }

  drop(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
    rmSync(this.#path, { force: true })
  }
}

/** A name in a registry. */
export class RegistryTarget implements CopyTarget {
  readonly #repository: Repository
  readonly #tag: string | undefined
  readonly #host: string

  constructor(registry: Registry, text: string) {
    const reference = parseReference(text)
    this.#repository = registry.repositories(reference, 'push')[0]!
    this.#tag = reference.digest ? undefined : (reference.tag ?? 'latest')
    this.#host = `${this.#repository.endpoint.registry}/`
  }

  async has(descriptor: Descriptor, mountFrom: readonly string[], signal: AbortSignal): Promise<boolean> {
    const { digest, size } = descriptor
    if ((await this.#repository.blobSize(digest, signal)) === size) return true
    for (const name of mountFrom) {
      if (!name.startsWith(this.#host) || name === this.#repository.name) continue
      try {
        const url = await this.#repository.beginUpload(digest, name.slice(this.#host.length), signal)
        if (!url) return true
        await this.#repository.cancelUpload(url, digest)
      } catch {
        signal.throwIfAborted()
        // It can't be taken over from there: then its bytes are sent.
      }
    }
    return false
  }

  async put(blob: Descriptor, local: LocalBlob, line: TransferLine, signal: AbortSignal): Promise<void> {
    const open = (offset: number) => local.open(offset)
    await pushBlob(this.#repository, { blob, open, mountFrom: [] }, (bytes) => line.at(bytes), signal)
  }

  async putManifest(manifest: RawManifest, signal: AbortSignal): Promise<void> {
    await this.#repository.putManifest(manifest.digest, manifest, signal)
  }

  async finish(root: RawManifest, signal: AbortSignal): Promise<void> {
    await this.#repository.putManifest(this.#tag ?? root.digest, root, signal)
  }

  abort(): void {}
}
