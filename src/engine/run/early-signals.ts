import { constants } from 'node:os'

/** Thrown where a signal came before there was a program to send it to. */
export class Interrupted extends Error {
  readonly exitCode: number

  constructor(exitCode: number) {
    super('interrupted')
    this.exitCode = exitCode
  }
}

/**
 * Listens to signals while a container is being made, so that what is half made can be taken away again: the first asks
 * for that, a second one ends this process at once.
 */
export class EarlySignals {
  #signal: number | undefined
  readonly #undo: (() => void)[] = []

  constructor() {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const note = () => {
        if (this.#signal !== undefined) process.exit(128 + this.#signal)
        this.#signal = constants.signals[name]
      }
      process.on(name, note)
      this.#undo.push(() => process.off(name, note))
    }
  }

  /** @throws Interrupted where a signal has come */
  check(): void {
    if (this.#signal !== undefined) throw new Interrupted(128 + this.#signal)
  }

  /** Stops listening. Idempotent. @returns the signal that came */
  release(): number | undefined {
    for (const undo of this.#undo.splice(0)) undo()
    return this.#signal
  }
}
