/** How long one turn of work may keep the thread from everything else. */
const TURN_MS = 15

/** Lets long work on synchronous calls give way: signals, timers and other work get the thread between its pieces. */
export class Turn {
  #began = performance.now()

  /** Whether it is time for a {@link rest}. */
  get over(): boolean {
    return performance.now() - this.#began > TURN_MS
  }

  async rest(): Promise<void> {
    await new Promise(setImmediate)
    this.#began = performance.now()
  }
}
