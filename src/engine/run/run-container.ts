import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import type { ConsoleSpec, Step } from '../../rootless/agent.js'
import { endsAtLogout } from '../../rootless/logout.js'
import type { StepExit } from '../../rootless/plan.js'
import { selfIdentity } from '../../util/identity.js'
import type { RunOutcome, RunRequest, StreamName } from '../api.js'
import type { StoredImage } from '../images/stored-image.js'
import { createContainer, removeContainer } from './create-container.js'
import { EarlySignals, Interrupted } from './early-signals.js'
import { failedRecord, type StartDeps, startContainer, startDetached } from './start-container.js'
import { endBySignals, joinStep, rawTerminal, terminalSize } from './terminal.js'

const KILLED = 137

/** Runs new containers, in the foreground or in the background. */
export class ContainerRunner {
  readonly #deps: StartDeps

  constructor(deps: StartDeps) {
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
    return { exitCode: 0, id: record.id, warnings: logoutWarning() }
  }

  async #live(request: RunRequest, image: StoredImage, early: EarlySignals): Promise<RunOutcome> {
    const record = await createContainer(this.#deps, request, image, {
      runner: selfIdentity(),
      started: new Date().toISOString(),
    })
    let started = false
    try {
      return await this.#execute(request, record, early, () => {
        started = true
      })
    } catch (err) {
      // A container that never ran is not left behind; one that can't be started is, as docker does without --rm.
      if (!started) await this.#undo(record, err, request.remove)
      throw err
    }
  }

  async #undo(record: ContainerRecord, err: unknown, remove: boolean): Promise<void> {
    const { shop } = this.#deps
    const couldNot = err instanceof TsboxError && [126, 127].includes(err.exitCode)
    if (!couldNot || remove) await removeContainer(shop, record.id)
    else shop.store.containers.put(failedRecord(record, err), shop.lease)
  }

  async #execute(
    request: RunRequest,
    record: ContainerRecord,
    early: EarlySignals,
    onStart: () => void,
  ): Promise<RunOutcome> {
    const { tty } = request
    const console = await consoleOf(this.#deps, request)
    // Before the monitor reads from it: what was typed meanwhile would be echoed by both terminals.
    const raw = tty && console.stdin
    let restore = () => {}
    let leave = () => {}
    try {
      const { step } = await startContainer(this.#deps, record, {
        console,
        size: tty ? terminalSize() : undefined,
        check: () => {
          early.check()
          if (raw) restore = rawTerminal()
        },
      })
      onStart()
      leave = request.sigProxy === false ? endBySignals(step, tty) : joinStep(step, tty)
      const missed = early.release()
      if (request.sigProxy !== false) for (const signal of missed) step.signal(signal)
      else if (missed[0] !== undefined) process.kill(process.pid, missed[0])
      return { id: record.id, ...(await outcomeOf(step)) }
    } finally {
      restore()
      leave()
    }
  }
}

function logoutWarning(): readonly string[] {
  const mend = endsAtLogout()
  return mend === undefined ? [] : [`systemd-logind ends this container when you log out: ${mend}`]
}

/** What of this process's streams is joined: what `-a` says, else output, and input where it is open. */
async function consoleOf(
  { env }: StartDeps,
  { attach, interactive, tty, detachKeys }: RunRequest,
): Promise<ConsoleSpec> {
  const joined = (name: StreamName) => (attach ? attach.includes(name) : name !== 'stdin' || interactive)
  const stdin = interactive && joined('stdin')
  // Nothing is typed that could leave it otherwise.
  const keys = tty && stdin ? (await import('../containers/detach-keys.js')).detachKeyBytes(detachKeys, env) : []
  return { stdin, stdout: joined('stdout'), stderr: joined('stderr'), detachKeys: Uint8Array.from(keys) }
}

async function outcomeOf(step: Step): Promise<{ exitCode: number; detached?: boolean }> {
  // The monitor was killed, and the container with it.
  const exit = step.exit.then(exitCodeOf, () => KILLED).then((exitCode) => ({ exitCode }))
  // Settles first where the user left: the step is over then, too.
  return await Promise.race([step.left.then(() => ({ exitCode: 0, detached: true })), exit])
}

/** Docker's: the program's own, 128 and the number for a signal. */
export function exitCodeOf(exit: StepExit): number {
  return exit.code ?? 128 + (exit.signal ?? 0)
}
