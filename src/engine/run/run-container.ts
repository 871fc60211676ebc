import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import type { StepExit } from '../../rootless/plan.js'
import { selfIdentity } from '../../util/identity.js'
import type { RunOutcome, RunRequest } from '../api.js'
import type { StoredImage } from '../images/stored-image.js'
import { type CreateDeps, createContainer, removeContainer } from './create-container.js'
import { EarlySignals, Interrupted } from './early-signals.js'
import { executeIn, failedRecord, prepareStep, startDetached } from './start-container.js'
import { joinStep, rawTerminal, terminalSize } from './terminal.js'

/** Runs new containers, in the foreground or in the background. */
export class ContainerRunner {
  readonly #deps: CreateDeps

  constructor(deps: CreateDeps) {
    this.#deps = deps
  }

  /**
   * Creates a container and runs it: to its end, or until it runs in the background.
   *
   * @throws TsboxError with Docker's exit codes where it can't be made or started
   */
  async run(request: RunRequest, image: StoredImage): Promise<RunOutcome> {
    const early = new EarlySignals()
    try {
      return request.detach ? await this.#detached(request, image, early) : await this.#live(request, image, early)
    } catch (err) {
      if (err instanceof Interrupted) return { exitCode: err.exitCode }
      throw err
    } finally {
      early.release()
    }
  }

  async #detached(request: RunRequest, image: StoredImage, early: EarlySignals): Promise<RunOutcome> {
    const record = await createContainer(this.#deps, request, image)
    try {
      early.check()
    } catch (err) {
      await removeContainer(this.#deps.shop, record.id)
      throw err
    }
    await startDetached(this.#deps, record)
    return { exitCode: 0, id: record.id }
  }

  async #live(request: RunRequest, image: StoredImage, early: EarlySignals): Promise<RunOutcome> {
    const { store, lease } = this.#deps.shop
    const record = await createContainer(this.#deps, request, image, {
      runner: selfIdentity(),
      started: new Date().toISOString(),
    })
    try {
      const exitCode = await this.#execute(request, record, early)
      const finished = new Date().toISOString()
      if (!request.remove) store.containers.put({ ...record, exitCode, finished, runner: undefined }, lease)
      return { exitCode, id: record.id }
    } catch (err) {
      // A container that never ran is not left behind; one that can't be started is, as docker does without --rm.
      const started = err instanceof TsboxError && [126, 127].includes(err.exitCode)
      if (!started || request.remove) await removeContainer(this.#deps.shop, record.id)
      else store.containers.put(failedRecord(record, err), lease)
      throw err
    } finally {
      if (request.remove) await removeContainer(this.#deps.shop, record.id)
    }
  }

  async #execute(request: RunRequest, record: ContainerRecord, early: EarlySignals): Promise<number> {
    const { shop } = this.#deps
    // Before the helper reads from it: what was typed meanwhile would be echoed by both terminals.
    const raw = request.tty && request.interactive
    let restore = () => {}
    let leave = () => {}
    try {
      const step = await prepareStep(this.#deps, record, {
        stdio: { mode: request.tty ? 'tty' : 'inherit', stdin: request.interactive },
        monitored: true,
        signal: request.signal,
        check: () => {
          early.check()
          if (raw) restore = rawTerminal()
        },
      })
      try {
        early.check()
        await step.monitor(shop.store.containers.dir(record.id), false)
        await executeIn(step, record, (await shop.agent()).mode, request.tty ? terminalSize() : undefined)
        leave = joinStep(step, request.tty)
        for (const missed of early.release()) step.signal(missed)
        return exitCodeOf(await step.exit)
      } catch (err) {
        await step.kill()
        throw err
      }
    } finally {
      restore()
      leave()
    }
  }
}

/** Docker's: the program's own, 128 and the number for a signal. */
export function exitCodeOf(exit: StepExit): number {
  return exit.code ?? 128 + (exit.signal ?? 0)
}
