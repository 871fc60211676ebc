import type { ProgressSink } from './event.js'

/** What a transfer is over before is not told: it would be noise. */
const QUIET_MS = 250
/** No more often than this. */
const EVERY_MS = 100

/** Where the life of a transfer goes, and its clock. */
export interface TransferHost {
  nowMs(): number
  /** `current` and `total` are bytes; `total` 0 where unknown. */
  tell(current: number, total: number, done: boolean): void
}

/** Counts bytes that move and tells of them now and then, once it takes long enough to be of interest. */
export class Transfer {
  readonly #host: TransferHost
  readonly #began: number
  readonly #total: number
  #current = 0
  #told: number | undefined

  /** @param total in bytes; 0 where unknown */
  constructor(host: TransferHost, total: number) {
    this.#host = host
    this.#total = total
    this.#began = host.nowMs()
  }

  add(bytes: number): void {
    this.#current += bytes
    const now = this.#host.nowMs()
    if (now - (this.#told ?? this.#began + QUIET_MS - EVERY_MS) < EVERY_MS) return
    this.#told = now
    this.#host.tell(this.#current, this.#total, false)
  }

  /** All has moved. */
  end(): void {
    if (this.#told !== undefined) this.#host.tell(this.#current, this.#total, true)
  }
}

/** Begins to tell of bytes that move. @param totalBytes 0 where unknown */
export type StartTransfer = (name: string, totalBytes: number) => Transfer

/** Where transfers of a vertex are told of. */
export interface TransferSink {
  progress: ProgressSink
  nowMs(): number
}

/** Transfers of a vertex as progress events. @param id its number; undefined for one that is not shown */
export function transfersOf({ progress, nowMs }: TransferSink, id: number | undefined): StartTransfer {
  return (name, totalBytes) => {
    const tell = (current: number, total: number, done: boolean) => {
      if (id !== undefined) progress({ type: 'status', id, time: nowMs(), name, current, total, done })
    }
    return new Transfer({ nowMs, tell }, totalBytes)
  }
}
