import { closeSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { errnoCode, TsboxError } from '../base/error.js'
import type { Hasher } from '../base/hash.js'
import { type Digest, digestHex, digestOf, parseDigest } from '../oci/digest.js'
import { contentSha256, nodeSha256 } from '../util/hash.js'
import { storageError } from '../util/storage-error.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

/** A blob that is in the store. */
export interface StoredBlob {
  digest: Digest
  sizeBytes: number
}

/**
 * Content-addressed files: manifests, configurations, layers. A blob appears whole or not at all; equal blobs are one
 * file.
 */
export class BlobStore {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  /** @throws TsboxError E_DIGEST_INVALID, which also keeps other paths from being made */
  path(digest: string): string {
    return this.#place.path('blobs', 'sha256', digestHex(digest))
  }

  /** @param sizeBytes where known; a file of another size was cut by a crash of the machine and counts as absent */
  has(digest: string, sizeBytes?: number): boolean {
    const size = this.size(digest)
    return size !== undefined && (sizeBytes === undefined || size === sizeBytes)
  }

  /** Size in bytes, undefined where the blob is absent. */
  size(digest: string): number | undefined {
    return statSync(this.path(digest), { throwIfNoEntry: false })?.size
  }

  /**
   * All of a small blob, checked against its digest.
   *
   * @throws TsboxError E_BLOB_MISSING, E_BLOB_CORRUPT
   */
  read(digest: string): Buffer {
    const bytes = this.#place.read(this.path(digest))
    if (!bytes) throw new TsboxError('E_BLOB_MISSING', `read blob: not in the store: "${digest}"`)
    if (digestOf(nodeSha256, bytes) !== digest)
      throw new TsboxError('E_BLOB_CORRUPT', `read blob: content does not match its digest: "${digest}"`, {
        hint: 'remove the image with tsbox rmi -f and load or build it again',
      })
    return bytes
  }

  /** Opens a blob for reading at positions. The caller closes it. @throws TsboxError E_BLOB_MISSING */
  open(digest: string): BlobReader {
    try {
      return new BlobReader(openSync(this.path(digest), 'r'))
    } catch (err) {
      if (errnoCode(err) !== 'ENOENT') throw err
      throw new TsboxError('E_BLOB_MISSING', `read blob: not in the store: "${digest}"`)
    }
  }

  /** Stores a small blob and pins it. */
  put(bytes: Uint8Array, lease: Lease): StoredBlob {
    const digest = digestOf(nodeSha256, bytes)
    lease.hold('blob', digest)
    if (!this.has(digest, bytes.length)) this.#place.write(this.path(digest), bytes, lease.tempPath('blob'))
    return { digest, sizeBytes: bytes.length }
  }

  /** Begins a blob of any size. */
  writer(lease: Lease): BlobWriter {
    this.#place.prepare()
    return new BlobWriter(this, this.#place, lease)
  }
}

/** A blob open for reading. */
export class BlobReader {
  readonly fd: number
  #closed = false

  constructor(fd: number) {
    this.fd = fd
  }

  /** Fills `buffer` from `position`; less only at the end, where it returns what there is. */
  readonly readAt = (buffer: Uint8Array, position: number): number => {
    let done = 0
    while (done < buffer.length) {
      const n = readSync(this.fd, buffer, done, buffer.length - done, position + done)
      if (n === 0) break
      done += n
    }
    return done
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.fd)
  }
}

/** A blob being written: synchronous, hashed on the way. End it with commit or abort. */
export class BlobWriter {
  readonly #blobs: BlobStore
  readonly #place: Place
  readonly #lease: Lease
  readonly #temp: string
  readonly #hash: Hasher = contentSha256()
  #fd: number | undefined
  #size = 0
  #ended: StoredBlob | undefined

  constructor(blobs: BlobStore, place: Place, lease: Lease) {
    this.#blobs = blobs
    this.#place = place
    this.#lease = lease
    this.#temp = lease.tempPath('blob')
    this.#fd = this.#guard(() => openSync(this.#temp, 'wx', 0o600))
  }

  /** Bytes so far. */
  get sizeBytes(): number {
    return this.#size
  }

  /** @throws TsboxError E_DISK_FULL; abort is still to be called */
  write(chunk: Uint8Array): void {
    const fd = this.#fd
    if (fd === undefined) throw new Error('blob writer is closed')
    this.#hash.update(chunk)
    this.#guard(() => {
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at)
    })
    this.#size += chunk.length
  }

  /** Where the bytes are until commit: for looking at them after {@link end}. */
  get tempPath(): string {
    return this.#temp
  }

  /** Ends writing without publishing; commit or abort is still to come. Idempotent. */
  end(): StoredBlob {
    if (!this.#ended) {
      this.#ended = { digest: parseDigest(`sha256:${this.#hash.hex()}`), sizeBytes: this.#size }
      this.#close()
    }
    return this.#ended
  }

  /**
   * Publishes the blob and pins it. Nothing stays where it throws.
   *
   * @param expected what the blob must be
   * @throws TsboxError E_DIGEST_MISMATCH, E_DISK_FULL
   */
  commit(expected?: { digest?: string | undefined; sizeBytes?: number | undefined }): StoredBlob {
    try {
      const { digest, sizeBytes } = this.end()
      if (expected?.digest !== undefined && expected.digest !== digest)
        throw new TsboxError('E_DIGEST_MISMATCH', `store blob: content has digest ${digest}, not "${expected.digest}"`)
      if (expected?.sizeBytes !== undefined && expected.sizeBytes !== sizeBytes)
        throw new TsboxError('E_DIGEST_MISMATCH', `store blob: ${sizeBytes} bytes instead of ${expected.sizeBytes}`)
      this.#lease.hold('blob', digest)
      if (this.#blobs.has(digest, sizeBytes)) rmSync(this.#temp, { force: true })
      else this.#place.move(this.#temp, this.#blobs.path(digest))
      return { digest, sizeBytes }
    } catch (err) {
      this.abort()
      throw err
    }
  }

  /** Forgets what was written. Harmless after commit. */
  abort(): void {
    this.#close()
    rmSync(this.#temp, { force: true })
  }

  #close(): void {
    const fd = this.#fd
    this.#fd = undefined
    // Some file systems tell of a full disk only here.
    if (fd !== undefined) this.#guard(() => closeSync(fd))
  }

  #guard<T>(task: () => T): T {
    try {
      return task()
    } catch (err) {
      throw storageError(err, 'write blob', this.#temp)
    }
  }
}
