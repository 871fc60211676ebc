import { spawnSync } from 'node:child_process'
import { TsboxError } from '../../base/error.js'
import type { ContainerRecord } from '../../container/record.js'
import type { Attached } from '../../rootless/control.js'
import { Control } from '../../rootless/control.js'
import type {
  CommitRequest,
  ContainerChange,
  ContainerEngine,
  ContainerFilters,
  ContainerLoad,
  ContainerSize,
  ContainerSummary,
  CopyFrom,
  CopyOptions,
  CopyTo,
  ExecRequest,
  LogsRequest,
  RunRequest,
  StopOptions,
  StreamRequest,
} from '../api.js'
import type { ImageDeps } from '../images/deps.js'
import type { ResourceRequest } from '../run/resources/request.js'
import { settingsOf } from '../run/start-container.js'
import { terminalSize } from '../run/terminal.js'
import { execIn } from './exec.js'
import type { FileWork } from './file-work.js'
import { notRunning } from './find.js'
import { initOf, inspectContainer } from './inspect.js'
import { Lifecycle, type LifecycleDeps } from './lifecycle.js'
import { showLogs } from './logs.js'
import { NodeContainers } from './node-containers.js'
import { joinStreams, outputOf } from './streams.js'
import { topOf } from './top.js'

/** What containers stand on as a whole. */
export interface ContainerEngineDeps extends ImageDeps, LifecycleDeps {
  create(request: RunRequest): Promise<string>
  /** The C helper's executable. */
  helper(): string
}

function stopped({ name }: ContainerRecord): TsboxError {
  return new TsboxError('E_CONTAINER_STOPPED', 'cannot attach to a stopped container, start it first', {
    hint: `tsbox start ${name}`,
  })
}

/** Containers, running or not. */
export class NodeContainerEngine implements ContainerEngine {
  readonly #deps: ContainerEngineDeps
  readonly #records: NodeContainers
  readonly #life: Lifecycle

  constructor(deps: ContainerEngineDeps) {
    this.#deps = deps
    this.#records = new NodeContainers(deps)
    this.#life = new Lifecycle(deps)
  }

  list(options: { all: boolean; filters?: ContainerFilters | undefined }): Promise<ContainerSummary[]> {
    return this.#records.list(options)
  }

  remove(names: readonly string[], options: { force: boolean }): Promise<string[]> {
    return this.#records.remove(names, options)
  }

  prune(filters: ContainerFilters): Promise<{ ids: string[]; reclaimedBytes: number }> {
    return this.#records.prune(filters)
  }

  rename(name: string, to: string): Promise<void> {
    return this.#records.rename(name, to)
  }

  pause(name: string): Promise<void> {
    return this.#setPaused(name, true)
  }

  unpause(name: string): Promise<void> {
    return this.#setPaused(name, false)
  }

  async #setPaused(name: string, on: boolean): Promise<void> {
    const { setPaused } = await import('./pause.js')
    const record = this.#life.find(name)
    const control = await this.#life.control(record)
    try {
      if (Boolean(this.#life.state(record)?.paused) === on)
        throw new TsboxError('E_PAUSE', `Container ${record.name} is ${on ? 'already' : 'not'} paused`)
      await setPaused(record, this.#life.dir(record), control, on)
    } finally {
      control.close()
    }
  }

  async update(name: string, request: ResourceRequest, warn: (message: string) => void): Promise<void> {
    const { updateResources } = await import('./resources.js')
    const { store, lease } = this.#deps
    store.containers.put(await updateResources(this.#deps, this.#life.find(name), request, warn), lease)
  }

  async usage(names: readonly string[], options: { all: boolean }): Promise<AsyncIterable<ContainerLoad[]>> {
    const { watchUsage } = await import('./resources.js')
    const { store } = this.#deps
    const named = names.map((name) => this.#life.find(name))
    const running = (r: ContainerRecord) => this.#life.state(r)?.status === 'running'
    const all = () => store.containers.list<ContainerRecord>().filter((r) => options.all || running(r))
    return watchUsage(this.#deps, named.length ? () => named : all)
  }

  create(request: RunRequest): Promise<string> {
    return this.#deps.create(request)
  }

  async start(name: string): Promise<void> {
    await this.#life.start(name)
  }

  async startAttached(name: string, streams: StreamRequest): Promise<number> {
    const record = this.#life.find(name)
    const { tty, openStdin } = settingsOf(record)
    const stdin = streams.stdin && openStdin
    const size = tty ? terminalSize() : undefined
    const start = async () => {
      let attached: Attached | undefined
      const joined = async (dir: string) => {
        attached = await (await Control.connect(dir))?.attach(stdin, outputOf(streams))
      }
      if (!(await this.#life.start(name, joined, size)) || !attached) return await this.#attach(record, stdin, streams)
      return attached
    }
    return this.#exit(await joinStreams(start, { ...streams, stdin }, tty, () => this.#transparent()))
  }

  async attach(name: string, streams: StreamRequest): Promise<number> {
    const record = this.#life.find(name)
    const { tty, openStdin } = settingsOf(record)
    const stdin = streams.stdin && openStdin
    const start = () => this.#attach(record, stdin, streams)
    return this.#exit(await joinStreams(start, { ...streams, stdin }, tty, () => this.#transparent()))
  }

  async #attach(record: ContainerRecord, stdin: boolean, streams: StreamRequest): Promise<Attached> {
    const control = await this.#life.control(record, () => stopped(record))
    try {
      return await control.attach(stdin, outputOf(streams))
    } catch (err) {
      control.close()
      throw err
    }
  }

  async exec(name: string, request: ExecRequest): Promise<number> {
    const record = this.#life.find(name)
    if (this.#life.state(record)?.paused)
      throw new TsboxError(
        'E_CONTAINER_PAUSED',
        `Container ${record.name} is paused, unpause the container before exec`,
        {
          hint: `tsbox unpause ${record.name}`,
        },
      )
    const control = await this.#life.control(record)
    try {
      return await execIn(control, record, request, this.#deps.env, () => this.#transparent())
    } finally {
      control.close()
    }
  }

  stop(name: string, options: StopOptions): Promise<void> {
    return this.#life.stop(name, options)
  }

  async restart(name: string, options: StopOptions): Promise<void> {
    const record = this.#life.find(name)
    if (this.#life.state(record)?.status === 'running') {
      if (record.autoRemove)
        throw new TsboxError('E_CONTAINER_REMOVED', `restart: it is removed when it stops: "${record.name}"`, {
          hint: 'run it without --rm',
        })
      await this.#life.stop(name, options)
    }
    await this.#life.start(record.id)
  }

  kill(name: string, signal: string): Promise<void> {
    return this.#life.kill(name, signal)
  }

  wait(name: string): Promise<number> {
    return this.#life.wait(name)
  }

  async logs(name: string, request: LogsRequest): Promise<void> {
    const record = this.#life.find(name)
    if (record.settings?.log?.driver === 'none')
      throw new TsboxError('E_LOG_DRIVER', 'configured logging driver does not support reading', {
        hint: 'run it with --log-driver json-file',
      })
    const running = () => this.#life.state(record)?.status === 'running'
    await showLogs(`${this.#life.dir(record)}/log.json`, request, running)
  }

  async inspect(name: string): Promise<Record<string, unknown>> {
    const record = this.#life.find(name)
    return inspectContainer(record, this.#life.state(record) ?? { status: 'exited' }, this.#life.dir(record))
  }

  async top(name: string, psArguments: readonly string[]): Promise<string> {
    const record = this.#life.find(name)
    const init = this.#life.state(record)?.status === 'running' ? initOf(record) : undefined
    if (init === undefined) throw notRunning(record)
    return topOf(init, psArguments)
  }

  size(name: string): Promise<ContainerSize> {
    return this.#files().then((files) => files.size(this.#life.find(name)))
  }

  diff(name: string): Promise<ContainerChange[]> {
    return this.#files().then((files) => files.diff(this.#life.find(name)))
  }

  export(name: string, write: (chunk: Uint8Array) => void): Promise<void> {
    return this.#files().then((files) => files.export(this.#life.find(name), write))
  }

  commit(name: string, request: CommitRequest): Promise<string> {
    return this.#files().then((files) => files.commit(this.#life.find(name), request))
  }

  copyOut(name: string, path: string, to: CopyTo, options: CopyOptions): Promise<number> {
    return this.#files().then((files) => files.copyOut(this.#life.find(name), path, to, options))
  }

  copyIn(name: string, from: CopyFrom, path: string, options: CopyOptions): Promise<number> {
    return this.#files().then((files) => files.copyIn(this.#life.find(name), from, path, options))
  }

  async #files(): Promise<FileWork> {
    const { FileWork } = await import('./file-work.js')
    return new FileWork(this.#deps, this.#life)
  }

  #exit(exit: Awaited<ReturnType<typeof joinStreams>>): number {
    if (exit === 'detached') return 0
    return exit ? (exit.code ?? 128 + (exit.signal ?? 0)) : 137
  }

  /**
   * A terminal that shows what another one made ends lines only where that one did: Node's raw mode leaves this
   * terminal's own rule in force.
   */
  #transparent(): () => void {
    if (!process.stdout.isTTY) return () => {}
    const set = (what: string) =>
      spawnSync(this.#deps.helper(), ['output', what], { stdio: ['ignore', 'inherit', 'inherit'] })
    set('raw')
    return () => set('cooked')
  }
}
