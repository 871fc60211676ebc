import { TsboxError } from '../base/error.js'
import type { Descriptor } from '../oci/manifest.js'
import { describeFault, faultOf } from './http/answer.js'
import { Attempts, isTransientStatus, retryAfterMs } from './http/retry.js'
import { type HttpResponse, TransportError } from './http/transport.js'
import type { Repository } from './repository.js'
import { firstOf } from './resolve.js'

/** So much must come before the count of attempts begins anew: a connection that gives a byte at a time is none. */
const PROGRESS_BYTES = 1 << 18

/** Wrong bytes in good order are seldom an accident: no more than this they are fetched again. */
const MAX_WRONG = 2

/** Takes a blob's bytes in order. */
export interface BlobSink {
  /** Bytes that it has: a download goes on from there. */
  readonly offset: number
  /** @throws TsboxError for more than the blob has */
  write(chunk: Uint8Array): void
  /** Forgets all bytes. */
  restart(): void
  /** All bytes were written. @returns false where they are others than they should be, and forgotten */
  verify(): boolean
}

/**
 * Downloads a blob from the first place that has it. What breaks off is gone on with where it ended; what turns out to be
 * wrong begins anew.
 *
 * @throws TsboxError E_DIGEST_MISMATCH, E_REGISTRY_NOT_FOUND, E_REGISTRY_UNREACHABLE, E_REGISTRY_BUSY, E_REGISTRY_DENIED
 */
export async function fetchBlob(
  sources: readonly Repository[],
  blob: Descriptor,
  sink: BlobSink,
  signal?: AbortSignal,
): Promise<void> {
  await firstOf(sources, (source) => new BlobFetch(source, blob, sink, signal).run(), signal)
}

class BlobFetch {
  readonly #source: Repository
  readonly #blob: Descriptor
  readonly #sink: BlobSink
  readonly #signal: AbortSignal | undefined
  readonly #attempts: Attempts
  readonly #about: { action: string; what: string }
  /** Whether this place gives what is asked for when a part is asked for. */
  #ranges = true
  #wrongs = 0

  constructor(source: Repository, blob: Descriptor, sink: BlobSink, signal: AbortSignal | undefined) {
    this.#source = source
    this.#blob = blob
    this.#sink = sink
    this.#signal = signal
    this.#attempts = new Attempts(source.connection.retry, signal)
    this.#about = { action: 'pull blob', what: `${source.name}@${blob.digest}` }
  }

  async run(): Promise<void> {
    for (;;) {
      try {
        if (this.#sink.offset === this.#blob.size) {
          if (this.#sink.verify()) return
          await this.#wrong('its content has another digest')
        }
        await this.#read(await this.#source.blob(this.#blob.digest, this.#from(), this.#signal))
        if (this.#sink.offset < this.#blob.size) await this.#brokeOff()
      } catch (err) {
        if (err instanceof TsboxError && err.code === 'E_DIGEST_MISMATCH' && !(err instanceof Final))
          await this.#wrong(`it is longer than ${this.#blob.size} bytes`)
        else if (!(err instanceof TransportError)) throw err
        else if (!(await this.#attempts.after(err))) throw this.#source.connection.unreachable(this.#about, err)
      }
    }
  }

  #from(): number {
    if (!this.#ranges && this.#sink.offset > 0) this.#sink.restart()
    return this.#sink.offset
  }

  async #read(answer: HttpResponse): Promise<void> {
    const { status, headers } = answer
    if (status === 416) {
      answer.discard()
      this.#ranges = false
      if (!(await this.#attempts.next())) throw this.#final('it refuses to give any part')
      return
    }
    if (isTransientStatus(status)) {
      const asked = retryAfterMs(headers['retry-after'], Date.now())
      const fault = await faultOf(answer)
      if (await this.#attempts.next(asked)) return
      throw this.#source.connection.failure(this.#about, describeFault(fault), 'E_REGISTRY_BUSY')
    }
    if (status !== 200 && status !== 206) throw await this.#source.connection.refusal(this.#about, answer)
    if (status === 206 && !this.#isWanted(headers['content-range'])) {
      answer.discard()
      this.#ranges = false
      if (!(await this.#attempts.next())) throw this.#final('it gives other parts than are asked for')
      return
    }
    await this.#take(answer, status === 200 ? this.#sink.offset : 0)
  }

  /** @param skip bytes from the beginning that are there already */
  async #take(answer: HttpResponse, skip: number): Promise<void> {
    let left = skip
    let since = 0
    try {
      for await (const chunk of answer.body()) {
        this.#signal?.throwIfAborted()
        const part = left > 0 ? chunk.subarray(Math.min(left, chunk.length)) : chunk
        left -= chunk.length - part.length
        if (part.length === 0) continue
        this.#sink.write(part)
        since += part.length
        if (since < PROGRESS_BYTES) continue
        since = 0
        this.#attempts.progress()
      }
    } catch (err) {
      answer.discard()
      throw err
    }
  }

  #isWanted(contentRange: string | undefined): boolean {
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(contentRange ?? '') ?? []
    return Number(first) === this.#sink.offset && (total === '*' || Number(total) === this.#blob.size)
  }

  /** The answer ended in order, and too early. */
  async #brokeOff(): Promise<void> {
    if (await this.#attempts.next()) return
    throw this.#final(`it gives ${this.#sink.offset} bytes instead of ${this.#blob.size}`)
  }

  async #wrong(state: string): Promise<void> {
    this.#sink.restart()
    this.#ranges = false
    if (++this.#wrongs > MAX_WRONG || !(await this.#attempts.next())) throw this.#final(state)
  }

  #final(state: string): TsboxError {
    return new Final('E_DIGEST_MISMATCH', `pull blob: ${state}: "${this.#about.what}"`, {
      hint: 'the registry or something on the way to it gives wrong data: try again later',
    })
  }
}

/** Tried often enough. */
class Final extends TsboxError {}
