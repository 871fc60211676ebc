import { existsSync } from 'node:fs'
import type { ContainerRecord } from '../../container/record.js'
import { Control } from '../../rootless/control.js'
import type { Store } from '../../store/store.js'
import { claimNow } from '../../util/claim.js'
import { isAlive } from '../../util/identity.js'
import type { StopOptions } from '../api.js'
import { isPaused } from '../run/paused.js'
import { type StartDeps, startDetached } from '../run/start-container.js'
import { findContainer, notRunning } from './find.js'
import { setPaused } from './pause.js'
import { signalNumber } from './signals.js'
import { type ContainerState, containerState } from './state.js'

const POLL_MS = 5
/** Docker's. */
const STOP_SECONDS = 10
const SIGKILL = 9
const SIGTERM = 15

/** What starting and stopping containers stands on. */
export interface LifecycleDeps {
  store: Store
  /** In the id mode in which the container was made. */
  startDeps(record: ContainerRecord): Promise<StartDeps>
}

/** Starts, stops and waits for containers that exist. */
export class Lifecycle {
  readonly #deps: LifecycleDeps

  constructor(deps: LifecycleDeps) {
    this.#deps = deps
  }

  find(name: string): ContainerRecord {
    return findContainer(this.#deps.store, name)
  }

  dir(record: ContainerRecord): string {
    return this.#deps.store.containers.dir(record.id)
  }

  /** What it does now; undefined once it was removed. */
  state(record: ContainerRecord): ContainerState | undefined {
    const now = this.#deps.store.containers.get<ContainerRecord>(record.id)
    return now && containerState(now, this.dir(record))
  }

  /**
   * Starts a container that does not run.
   *
   * @param joined called when its streams can be joined
   * @returns false where it runs already
   */
  async start(name: string, joined?: (dir: string) => Promise<void>, size?: Size): Promise<boolean> {
    const { store } = this.#deps
    const { id } = this.find(name)
    const claim = claimNow(store.place.path('leases', `start-${id.slice(0, 16)}.claim`))
    try {
      // As it is now, nobody else starting it.
      const record = this.find(id)
      if (containerState(record, this.dir(record)).status === 'running') return false
      await gone(record)
      const again = record.started === undefined ? record : { ...record, restarts: (record.restarts ?? 0) + 1 }
      await startDetached(await this.#deps.startDeps(record), again, { ...(joined ? { joined } : {}), size })
      return true
    } finally {
      claim.release()
    }
  }

  async stop(name: string, options: StopOptions): Promise<void> {
    const record = this.find(name)
    const signal = signalNumber(options.signal ?? record.settings?.stopSignal ?? String(SIGTERM))
    const control = await this.#connect(record)
    if (!control) return
    const seconds = options.timeoutSeconds ?? record.settings?.stopTimeoutSeconds ?? STOP_SECONDS
    try {
      await control.signal(signal).catch(() => {})
      await this.#resume(record, control)
      const ended = control.wait()
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<'late'>((done) => {
        if (seconds >= 0) timer = setTimeout(() => done('late'), seconds * 1000)
      })
      if ((await Promise.race([ended, late])) === 'late') await this.#kill(record)
      clearTimeout(timer)
      await ended
    } finally {
      control.close()
    }
    await this.untilStopped(record)
  }

  async kill(name: string, signal: string): Promise<void> {
    const number = signalNumber(signal)
    const record = this.find(name)
    const control = await this.#connect(record)
    if (!control) throw notRunning(record, `cannot kill container: ${name}: `)
    try {
      await control.signal(number)
      await this.#resume(record, control)
      if (number !== SIGKILL) return
      await control.wait()
    } finally {
      control.close()
    }
    await this.untilStopped(record)
  }

  async wait(name: string): Promise<number> {
    const record = this.find(name)
    const control = await this.#connect(record)
    const exit = await control?.wait()
    control?.close()
    await this.untilStopped(record)
    if (exit) return exit.code ?? 128 + (exit.signal ?? 0)
    return this.state(record)?.exitCode ?? 0
  }

  /** Ends it at once, whatever becomes of it: the monitor too, where that does not answer. */
  async end(record: ContainerRecord): Promise<void> {
    const runner = record.runner
    if (record.detached) await this.#kill(record)
    else if (runner && isAlive(runner)) killIfThere(runner.pid)
    await this.untilStopped(record)
  }

  /** Waits until it neither runs nor has anybody who would still write about it. */
  async untilStopped(record: ContainerRecord): Promise<void> {
    for (;;) {
      const now = this.#deps.store.containers.get<ContainerRecord>(record.id)
      if (!now || now.runner?.pid !== record.runner?.pid) break
      if (containerState(now, this.dir(record)).status !== 'running') break
      await pause()
    }
    await gone(record)
  }

  /** To its control socket; undefined where it does not run. */
  async #connect(record: ContainerRecord): Promise<Control | undefined> {
    const dir = this.dir(record)
    // It is there a moment before the socket is, and may end at any time.
    while (containerState(record, dir).status === 'running' && existsSync(dir)) {
      const control = await Control.connect(dir)
      if (control) return control
      await pause()
      const now = this.#deps.store.containers.get<ContainerRecord>(record.id)
      if (!now || now.exitCode !== undefined) return undefined
    }
    return undefined
  }

  /** Of a paused one: only what moves can end, as docker has it. */
  async #resume(record: ContainerRecord, control: Control): Promise<void> {
    if (isPaused(this.dir(record))) await setPaused(record, this.dir(record), control, false)
  }

  /** To its control socket. @throws TsboxError E_CONTAINER_STOPPED */
  async control(record: ContainerRecord, failure = () => notRunning(record)): Promise<Control> {
    const control = await this.#connect(record)
    if (!control) throw failure()
    return control
  }

  async #kill(record: ContainerRecord): Promise<void> {
    const control = await Control.connect(this.dir(record))
    let timer: NodeJS.Timeout | undefined
    const answered = control
      ?.signal(SIGKILL)
      .then(() => this.#resume(record, control))
      .then(() => control.wait())
    const late = new Promise<void>((done) => {
      timer = setTimeout(done, STOP_SECONDS * 1000)
    })
    await Promise.race([answered?.catch(() => {}), late])
    clearTimeout(timer)
    control?.close()
    const { runner } = record
    // Its init, and all of the container, dies with it.
    const dir = this.dir(record)
    // One that removes its container has nothing more to say there, but maybe to who waits.
    if (runner && isAlive(runner) && existsSync(dir) && containerState(record, dir).status === 'running')
      killIfThere(runner.pid)
  }
}

/** Size of a terminal in characters. */
export interface Size {
  columns: number
  rows: number
}

/** Waits until the monitor is no more: it may still tell others of the end. */
async function gone({ runner, detached }: ContainerRecord): Promise<void> {
  while (detached && runner && isAlive(runner)) await pause()
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {}
}

function pause(): Promise<void> {
  return new Promise((done) => setTimeout(done, POLL_MS))
}
