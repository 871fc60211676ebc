/** What the thread is made with. */
export interface ZstdJob {
  level: number
}

/** To the thread: a piece of the input, or its end. */
export type ZstdInput = { type: 'data'; chunk: Uint8Array } | { type: 'end' }

/** From the thread: the answer to each input, maybe empty, or why there is none. */
export type ZstdOutput = { type: 'data'; chunk: Uint8Array } | { type: 'failed'; message: string }
