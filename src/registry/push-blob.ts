import { TsboxError } from '../base/error.js'
import type { Descriptor } from '../oci/manifest.js'
import { describeFault, faultOf } from './http/answer.js'
import { Attempts, isTransientStatus, retryAfterMs } from './http/retry.js'
import { type HttpResponse, TransportError } from './http/transport.js'
import type { Repository } from './repository.js'

/** After a break, so much is sent at a time, so that the next break costs no more. */
const CHUNK_BYTES = 16 << 20

/** A blob to upload. */
export interface UploadSource {
  blob: Descriptor
  /** Its bytes from an offset on; may be asked for many times. */
  open(offset: number): AsyncIterable<Uint8Array>
  /** Repositories of the same registry that may have it. */
  mountFrom: readonly string[]
}

/** What came of it. */
export type UploadResult = { how: 'there' } | { how: 'mounted'; from: string } | { how: 'uploaded' }

/**
 * Makes a registry have a blob: looks whether it has it, has it taken over from another of its repositories, or uploads it.
 * An upload that breaks off is gone on with where the registry says that it ended, else begun anew.
 *
 * @param moved hears how many bytes have been sent of the blob
 * @throws TsboxError E_REGISTRY_UNREACHABLE, E_REGISTRY_BUSY, E_REGISTRY_DENIED, E_REGISTRY_ANSWER
 * @see OCI distribution-spec 1.1, "Push"
 */
export async function pushBlob(
  repository: Repository,
  source: UploadSource,
  moved: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<UploadResult> {
  const { digest, size } = source.blob
  if ((await repository.blobSize(digest, signal)) === size) return { how: 'there' }
  let url: URL | undefined
  for (const from of source.mountFrom) {
    if (url) await repository.cancelUpload(url, digest)
    const begun = await beginMount(repository, digest, from, signal)
    if (begun === 'mounted') return { how: 'mounted', from }
    url = begun
  }
  await new BlobUpload(repository, source, moved, signal).run(url)
  return { how: 'uploaded' }
}

/** @returns an upload where the registry would not take it over; undefined where it would not even begin one */
async function beginMount(
  repository: Repository,
  digest: string,
  from: string,
  signal: AbortSignal | undefined,
): Promise<URL | 'mounted' | undefined> {
  try {
    return (await repository.beginUpload(digest, from, signal)) ?? 'mounted'
  } catch (err) {
    // It may not know the other repository, or not let this user read it: then the bytes are sent.
    if (err instanceof TsboxError && /^E_REGISTRY_(DENIED|NOT_FOUND|ANSWER|AUTH)$/.test(err.code)) return undefined
    throw err
  }
}

class BlobUpload {
  readonly #repository: Repository
  readonly #source: UploadSource
  readonly #moved: (bytes: number) => void
  readonly #signal: AbortSignal | undefined
  readonly #attempts: Attempts
  readonly #about: { action: string; what: string }
  #url: URL | undefined
  /** Bytes that the registry has. */
  #offset = 0
  #inChunks = false

  constructor(
    repository: Repository,
    source: UploadSource,
    moved: (bytes: number) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#repository = repository
    this.#source = source
    this.#moved = moved
    this.#signal = signal
    this.#attempts = new Attempts(repository.connection.retry, signal)
    this.#about = { action: 'push blob', what: `${repository.name}@${source.blob.digest}` }
  }

  async run(begun: URL | undefined): Promise<void> {
    this.#url = begun
    const { digest } = this.#source.blob
    try {
      for (;;) {
        try {
          this.#url ??= await this.#begin()
          if (await this.#step()) return
        } catch (err) {
          if (!(err instanceof TransportError)) throw err
          if (!(await this.#attempts.after(err))) throw this.#repository.connection.unreachable(this.#about, err)
          await this.#recover()
        }
      }
    } catch (err) {
      if (this.#url) await this.#repository.cancelUpload(this.#url, digest)
      throw err
    }
  }

  async #begin(): Promise<URL> {
    this.#offset = 0
    return (await this.#repository.beginUpload(this.#source.blob.digest, undefined, this.#signal))!
  }

  /** Sends what comes next. @returns true when the registry has the blob */
  async #step(): Promise<boolean> {
    const { size } = this.#source.blob
    if (this.#offset === size && size > 0) return this.#commit(undefined)
    // What is small goes in one request.
    if (this.#offset === 0 && size <= CHUNK_BYTES && !this.#inChunks) return this.#commit(this.#body(0, size))
    const length = this.#inChunks ? Math.min(CHUNK_BYTES, size - this.#offset) : size - this.#offset
    const body = this.#body(this.#offset, length)
    const ranged = this.#inChunks ? { ...body, range: `${this.#offset}-${this.#offset + length - 1}` } : body
    const answer = await this.#send('PATCH', this.#url!, ranged)
    if (answer.status === 202 || answer.status === 204) {
      answer.discard()
      this.#url = this.#repository.locationOf(answer, this.#about)
      this.#offset += length
      this.#attempts.progress()
      return false
    }
    await this.#failed(answer)
    return false
  }

  async #commit(body: { open: () => AsyncIterable<Uint8Array>; size: number } | undefined): Promise<boolean> {
    const { digest } = this.#source.blob
    const url = new URL(this.#url!.href)
    url.searchParams.set('digest', digest)
    const answer = await this.#send('PUT', url, body)
    if (answer.status !== 201 && answer.status !== 204) {
      await this.#failed(answer)
      return false
    }
    answer.discard()
    const told = answer.headers['docker-content-digest']
    if (told === undefined || told === digest) return true
    throw new TsboxError('E_DIGEST_MISMATCH', `push blob: the registry made ${told} of it: "${this.#about.what}"`)
  }

  #send(method: 'PATCH' | 'PUT', url: URL, body: Parameters<Repository['sendUpload']>[2]): Promise<HttpResponse> {
    return this.#repository.sendUpload(method, url, body, this.#source.blob.digest, this.#signal)
  }

  #body(offset: number, length: number) {
    const { open } = this.#source
    const moved = this.#moved
    return {
      size: length,
      open: async function* () {
        let left = length
        for await (const chunk of open(offset)) {
          if (left === 0) break
          // Memory of its own: a socket keeps it until it is sent.
          const part = Buffer.from(chunk.subarray(0, left))
          left -= part.length
          yield part
          moved(offset + length - left)
        }
      },
    }
  }

  /** An answer that is no success: waits and finds out where to go on, or throws. */
  async #failed(answer: HttpResponse): Promise<void> {
    const { status, headers } = answer
    const asked = retryAfterMs(headers['retry-after'], Date.now())
    // The upload is gone, or its state is another than we think: a new one may do.
    const lost = status === 404 || status === 416 || status === 409 || status === 400
    if (!lost && !isTransientStatus(status)) throw await this.#repository.connection.refusal(this.#about, answer)
    const fault = await faultOf(answer)
    if (lost && fault.code !== '' && !/^(BLOB_UPLOAD_|RANGE_|DIGEST_|SIZE_|UNKNOWN)/.test(fault.code))
      throw this.#repository.connection.failure(this.#about, describeFault(fault), 'E_REGISTRY_ANSWER')
    if (!(await this.#attempts.next(asked)))
      throw this.#repository.connection.failure(this.#about, describeFault(fault), 'E_REGISTRY_BUSY')
    if (lost) this.#url = undefined
    else await this.#recover()
  }

  /** After a break: asks how much has arrived; where that can't be told, begins anew, in smaller parts. */
  async #recover(): Promise<void> {
    this.#inChunks = true
    const url = this.#url
    this.#url = undefined
    if (!url) return
    const { digest, size } = this.#source.blob
    // It may have come whole before the connection broke.
    const answer = await this.#repository.uploadState(url, digest, this.#signal)
    answer.discard()
    const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(answer.headers.range ?? '') ?? []
    if (answer.status !== 204 || last === undefined || Number(last) >= size) return
    const arrived = Number(last) + 1
    // `0-0` stands for nothing at all in docker's registry, and for one byte by the specification.
    this.#offset = arrived === 1 ? 0 : arrived
    this.#url = answer.headers.location === undefined ? url : this.#repository.locationOf(answer, this.#about)
    if (this.#offset === 0) this.#url = undefined
  }
}
