import { constants } from 'node:os'

/** Thrown where a signal came before there was a program to send it to. */
export class Interrupted extends Error {
  readonly exitCode: number

  constructor(exitCode: number) {
    super('interrupted')
    this.exitCode = exitCode
  }
}

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
/** Kept for the program; of themselves they would end this process, or start Node's debugger. */
const KEPT = ['SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const

/**
 * Listens to signals while a container is being made, so that what is half made can be taken away again: the first asks
 * for that, a second one ends this process at once.
 */
export class EarlySignals {
  #signal: number | undefined
  /** In the order in which they came. */
  readonly #missed = new Set<number>()
  readonly #undo: (() => void)[] = []

  constructor() {
    for (const name of [...ENDING, ...KEPT]) {
      const number = constants.signals[name]
      const note = () => {
        this.#missed.add(number)
        if ((KEPT as readonly string[]).includes(name)) return
        if (this.#signal !== undefined) process.exit(128 + this.#signal)
        this.#signal = number
      }
      process.on(name, note)
      this.#undo.push(() => process.off(name, note))
    }
  }

  /** @throws Interrupted where a signal has come */
  check(): void {
    if (this.#signal !== undefined) throw new Interrupted(128 + this.#signal)
  }

  /** Stops listening. Idempotent. @returns the signals that came: they are for the program */
  release(): readonly number[] {
    for (const undo of this.#undo.splice(0)) undo()
    return [...this.#missed]
  }
}
