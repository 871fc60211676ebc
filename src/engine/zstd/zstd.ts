import { Worker } from 'node:worker_threads'
import { TsboxError } from '../../base/error.js'
import type { ZstdInput, ZstdJob, ZstdOutput } from './message.js'

/** Pieces that are on their way at once: the thread never waits, and little is held. */
const IN_FLIGHT = 4

/**
 * Packs a stream with zstd in a thread of its own. The same pieces give the same bytes on every machine: the library is
 * WebAssembly.
 *
 * @param chunks each may be overwritten after the next was asked for
 * @param level 1 to 22
 * @throws TsboxError E_PACK where the library fails, as for want of memory
 */
export async function* packZstd(
  workerFile: string,
  chunks: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array> {
  const thread = new ZstdThread(workerFile, { level })
  try {
    for await (const chunk of chunks) {
      // Copied: what is handed over to a thread is gone here.
      thread.send({ type: 'data', chunk: new Uint8Array(chunk) })
      if (thread.waiting >= IN_FLIGHT) yield await thread.next()
    }
    thread.send({ type: 'end' })
    while (thread.waiting > 0) yield await thread.next()
  } finally {
    await thread.end()
  }
}

/** Answers in the order of what was sent. */
class ZstdThread {
  readonly #worker: Worker
  readonly #answers: Promise<Uint8Array>[] = []
  readonly #open: { resolve(chunk: Uint8Array): void; reject(err: unknown): void }[] = []
  #failure: unknown

  constructor(workerFile: string, job: ZstdJob) {
    this.#worker = new Worker(workerFile, { workerData: job })
    this.#worker.on('message', (message: ZstdOutput) => {
      if (message.type === 'failed')
        this.#fail(new TsboxError('E_PACK', `pack layer: zstd failed: "${message.message}"`))
      else this.#open.shift()?.resolve(message.chunk)
    })
    this.#worker.on('error', (err) => this.#fail(err))
    this.#worker.on('exit', () => this.#fail(new Error('the thread of zstd ended early')))
  }

  /** Answers that are still to be taken. */
  get waiting(): number {
    return this.#answers.length
  }

  send(input: ZstdInput): void {
    const answer = new Promise<Uint8Array>((resolve, reject) => {
      if (this.#failure) reject(this.#failure)
      else this.#open.push({ resolve, reject })
    })
    // Asked for later, or never where the reader goes away.
    answer.catch(() => {})
    this.#answers.push(answer)
    this.#worker.postMessage(input, input.type === 'data' ? [input.chunk.buffer as ArrayBuffer] : [])
  }

  next(): Promise<Uint8Array> {
    return this.#answers.shift()!
  }

  async end(): Promise<void> {
    this.#worker.removeAllListeners()
    // A listener must stay: an error after the end is nobody's any more, and would end the process.
    this.#worker.on('error', () => {})
    await this.#worker.terminate()
  }

  #fail(err: unknown): void {
    this.#failure ??= err
    for (const { reject } of this.#open.splice(0)) reject(err)
  }
}
