import { closeSync, ftruncateSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { TsboxError } from '../base/error.js'
import type { Hasher } from '../base/hash.js'
import { digestHex } from '../oci/digest.js'
import { withDir } from '../util/atomic.js'
import { type Claim, liveClaim, tryClaim } from '../util/claim.js'
import { contentSha256 } from '../util/hash.js'
import { namesIn } from '../util/names-in.js'
import { withStorageErrors } from '../util/storage-error.js'
import { unlinkIfThere } from '../util/unlink.js'
import type { BlobStore, StoredBlob } from './blobs.js'
import type { Lease } from './lease.js'
import type { Place } from './place.js'

const CLAIM = '.claim'
const CHUNK_BYTES = 1 << 18

/**
 * Blobs on their way here. Each has one name, which one process at a time claims: two pulls of one layer download it once,
 * and what a dead process left is gone on with.
 */
export class DownloadStore {
  readonly #place: Place
  readonly #blobs: BlobStore

  constructor(place: Place, blobs: BlobStore) {
    this.#place = place
    this.#blobs = blobs
  }

  /** @returns undefined where a live process, this one too, is downloading it */
  begin(digest: string, sizeBytes: number, lease: Lease): Download | undefined {
    this.#place.prepare()
    const path = this.#place.path('downloads', digestHex(digest))
    const claim = withStorageErrors('write to the store', path, () => tryClaim(path + CLAIM))
    if (!claim) return undefined
    try {
      return new Download({ path, claim, digest, sizeBytes, lease, place: this.#place, blobs: this.#blobs })
    } catch (err) {
      claim.release()
      throw err
    }
  }

  /** Removes what nobody is downloading. @returns bytes */
  sweep(): number {
    let bytes = 0
    for (const name of namesIn(this.#place.path('downloads'))) {
      const path = this.#place.path('downloads', name)
      if (liveClaim(path.endsWith(CLAIM) ? path : path + CLAIM) !== undefined) continue
      const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
      if (this.#place.unlink(path) && !name.endsWith(CLAIM)) bytes += size
    }
    return bytes
  }
}

interface DownloadParts {
  path: string
  claim: Claim
  digest: string
  sizeBytes: number
  lease: Lease
  place: Place
  blobs: BlobStore
}

/** One blob on its way: written in order, hashed on the way. End it with commit, keep or drop. */
export class Download {
  readonly #parts: DownloadParts
  readonly #fd: number
  #hash: Hasher = contentSha256()
  #hashed = 0
  #size: number
  #round = 0
  #state: 'open' | 'done' | 'failed' = 'open'
  #waiting: (() => void)[] = []

  constructor(parts: DownloadParts) {
    this.#parts = parts
    const { path } = parts
    this.#fd = withStorageErrors('write to the store', path, () =>
      withDir(dirname(path), () => openSync(path, 'a+', 0o600)),
    )
    this.#size = statSync(path).size
    if (this.#size > parts.sizeBytes) this.restart()
  }

  /** Bytes that are there. */
  get offset(): number {
    return this.#size
  }

  get sizeBytes(): number {
    return this.#parts.sizeBytes
  }

  /** @throws TsboxError E_DIGEST_MISMATCH for more than the blob has, E_DISK_FULL */
  write(chunk: Uint8Array): void {
    const { path, sizeBytes, digest } = this.#parts
    if (this.#size + chunk.length > sizeBytes)
      throw new TsboxError(
        'E_DIGEST_MISMATCH',
        `download blob: more than the ${sizeBytes} bytes that it has: "${digest}"`,
      )
    this.#hashRest()
    withStorageErrors('write to the store', path, () => {
      for (let at = 0; at < chunk.length; ) at += writeSync(this.#fd, chunk, at, chunk.length - at)
    })
    this.#hash.update(chunk)
    this.#size += chunk.length
    this.#hashed = this.#size
    this.#wake()
  }

  /** Forgets all bytes. */
  restart(): void {
    ftruncateSync(this.#fd, 0)
    this.#size = 0
    this.#hashed = 0
    this.#hash = contentSha256()
    this.#round++
    this.#wake()
  }

  /**
   * Makes it a blob of the store, pinned.
   *
   * @returns undefined where the bytes are others than they should be: they are forgotten, and it goes on from 0
   */
  commit(): StoredBlob | undefined {
    const { digest, sizeBytes, lease, place, blobs, path, claim } = this.#parts
    this.#hashRest()
    if (this.#size !== sizeBytes || `sha256:${this.#hash.hex()}` !== digest) {
      this.restart()
      return undefined
    }
    lease.hold('blob', digest)
    place.move(path, blobs.path(digest))
    this.#end('done')
    claim.release()
    return { digest: digest as StoredBlob['digest'], sizeBytes }
  }

  /** Leaves what there is for a later download. Idempotent, harmless after commit. */
  keep(): void {
    if (this.#state !== 'open') return
    this.#end('failed')
    if (this.#size === 0) rmSync(this.#parts.path, { force: true })
    this.#parts.claim.release()
  }

  /** Removes what there is. Idempotent, harmless after commit. */
  drop(): void {
    if (this.#state !== 'open') return
    unlinkIfThere(this.#parts.path)
    this.#end('failed')
    this.#parts.claim.release()
  }

  /**
   * The bytes from the first on, as they arrive; to be begun while it is open. Ends when all is there and verified.
   *
   * @throws Error where it failed or began anew: {@link outcome} says which
   */
  async *follow(): AsyncGenerator<Uint8Array> {
    const round = this.#round
    // A descriptor of its own: the other is closed when the download has ended.
    const fd = openSync(this.#parts.path, 'r')
    try {
      for (let at = 0; ; ) {
        if (this.#round !== round) throw new Error('the download began anew')
        if (this.#state === 'failed') throw new Error('the download failed')
        if (at < this.#size) {
          const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, this.#size - at))
          const n = readSync(fd, buffer, 0, buffer.length, at)
          at += n
          yield buffer.subarray(0, n)
        } else if (this.#state === 'done') return
        else await new Promise<void>((resolve) => this.#waiting.push(resolve))
      }
    } finally {
      closeSync(fd)
    }
  }

  /** How what is under way ends: also that it begins anew. */
  async outcome(): Promise<'done' | 'failed' | 'restarted'> {
    const round = this.#round
    for (;;) {
      if (this.#round !== round) return 'restarted'
      if (this.#state !== 'open') return this.#state
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Bytes that an earlier download left are hashed when more come. */
  #hashRest(): void {
    while (this.#hashed < this.#size) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES * 4, this.#size - this.#hashed))
      const n = readSync(this.#fd, buffer, 0, buffer.length, this.#hashed)
      if (n === 0) throw new TsboxError('E_STORE_CHANGED', `download blob: its file was cut: "${this.#parts.path}"`)
      this.#hash.update(buffer.subarray(0, n))
      this.#hashed += n
    }
  }

  #end(state: 'done' | 'failed'): void {
    if (this.#state === 'open') closeSync(this.#fd)
    this.#state = state
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
