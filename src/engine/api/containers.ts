/** Containers: what is listed, shown and done to them. */
import type { ResourceRequest } from '../run/resources/request.js'
import type { RunRequest } from './run.js'

export interface ContainerSummary {
  id: string
  name: string
  image: string
  /** Config digest of the image. */
  imageID?: string | undefined
  command: string[]
  created: string
  status: 'created' | 'running' | 'paused' | 'exited'
  exitCode?: number | undefined
  started?: string | undefined
  finished?: string | undefined
  labels: Readonly<Record<string, string>>
  /** Names of volumes, and paths of this machine. */
  mounts: readonly string[]
  network: string
}

/** What a container uses at a moment. */
export interface ContainerLoad {
  id: string
  name: string
  /** 100 is one processor. */
  cpuPercent: number
  memoryBytes: number
  /** Its own limit, else what the machine has. */
  memoryLimitBytes: number
  receivedBytes: number
  sentBytes: number
  readBytes: number
  writtenBytes: number
  /** With their threads. */
  processes: number
}

/** How a process's streams are joined to those of the caller. */
export interface StreamRequest {
  /** Gives it the caller's input. */
  stdin: boolean
  stdout(chunk: Uint8Array): void
  stderr(chunk: Uint8Array): void
  input(): AsyncIterable<Uint8Array>
  /** Keys that leave a container with a terminal, as docker writes them; default `ctrl-p,ctrl-q`. */
  detachKeys?: string | undefined
  /** Signals that the caller gets go to the program. */
  sigProxy: boolean
}

export interface ExecRequest {
  command: readonly string[]
  interactive: boolean
  tty: boolean
  detach: boolean
  /** `K=V`, or `K` to pass it on. */
  env: readonly string[]
  workdir?: string | undefined
  user?: string | undefined
  /** All capabilities of the user namespace. */
  privileged: boolean
  /** Not looked at where `detach` is set. */
  streams: StreamRequest
}

export interface LogsRequest {
  follow: boolean
  /** Lines from the end; undefined is all. */
  tail?: number | undefined
  /** Milliseconds since 1970. */
  since?: number | undefined
  until?: number | undefined
  timestamps: boolean
  /** The attributes of each line. */
  details: boolean
  stdout(chunk: Uint8Array): void
  stderr(chunk: Uint8Array): void
  signal: AbortSignal
}

/** Docker's filters, by key: `name=web` is `{ name: ['web'] }`. */
export type ContainerFilters = Readonly<Record<string, readonly string[]>>

/** Names are a container's name, its id, or the beginning of that. All throw E_CONTAINER_NOT_FOUND, E_CONTAINER_AMBIGUOUS. */
export interface ContainerEngine {
  list(options: { all: boolean; filters?: ContainerFilters | undefined }): Promise<ContainerSummary[]>
  remove(names: readonly string[], options: { force: boolean }): Promise<string[]>
  /** Makes a container that does not run. @returns its id */
  create(request: RunRequest): Promise<string>
  /** In the background; nothing happens where it runs. */
  start(name: string): Promise<void>
  /** @returns the exit code; 0 where the caller detached */
  startAttached(name: string, streams: StreamRequest): Promise<number>
  attach(name: string, streams: StreamRequest): Promise<number>
  /** @returns the exit code; 0 for a detached one. @throws TsboxError E_CONTAINER_STOPPED, exit codes 126 and 127 */
  exec(name: string, request: ExecRequest): Promise<number>
  /** The stop signal, and SIGKILL after a while. Nothing happens where it does not run. */
  stop(name: string, options: StopOptions): Promise<void>
  restart(name: string, options: StopOptions): Promise<void>
  /** @param signal name or number. @throws TsboxError E_CONTAINER_STOPPED, E_SIGNAL */
  kill(name: string, signal: string): Promise<void>
  /** Waits until it does not run. @returns its exit code */
  wait(name: string): Promise<number>
  rename(name: string, to: string): Promise<void>
  /** @throws TsboxError E_CONTAINER_STOPPED, E_PAUSE */
  pause(name: string): Promise<void>
  unpause(name: string): Promise<void>
  /** Changes limits. @param warn told of what is not quite had. @throws TsboxError E_LIMIT, E_CGROUP */
  update(name: string, request: ResourceRequest, warn: (message: string) => void): Promise<void>
  /**
   * What containers use, a second apart; of the first look no shares of time are known.
   *
   * @param names none is all that run
   */
  usage(names: readonly string[], options: { all: boolean }): Promise<AsyncIterable<ContainerLoad[]>>
  logs(name: string, request: LogsRequest): Promise<void>
  /** Docker's JSON of `container inspect`. */
  inspect(name: string): Promise<Record<string, unknown>>
  /** Output of `ps` with these arguments, for the container's processes only. */
  top(name: string, psArguments: readonly string[]): Promise<string>
  prune(filters: ContainerFilters): Promise<{ ids: string[]; reclaimedBytes: number }>
  /** Bytes of what it changed, and of that and its image. */
  size(name: string): Promise<ContainerSize>
  /** What it changed of its image, sorted by path. */
  diff(name: string): Promise<ContainerChange[]>
  /** Its files, without what is mounted in it, as a tar. */
  export(name: string, write: (chunk: Uint8Array) => void): Promise<void>
  /** Makes an image of it. @returns the image's id */
  commit(name: string, request: CommitRequest): Promise<string>
  /** Copies from it. @returns bytes of a tar of what was copied. @throws TsboxError E_COPY */
  copyOut(name: string, path: string, to: CopyTo, options: CopyOptions): Promise<number>
  /** Copies into it. @returns bytes of a tar of what was copied. @throws TsboxError E_COPY */
  copyIn(name: string, from: CopyFrom, path: string, options: CopyOptions): Promise<number>
}

export interface ContainerSize {
  changedBytes: number
  totalBytes: number
}

/** A path that was added, changed or deleted. */
export interface ContainerChange {
  kind: 'A' | 'C' | 'D'
  path: string
}

export interface CommitRequest {
  /** NAME[:TAG]; undefined gives it no name. */
  reference?: string | undefined
  author?: string | undefined
  message?: string | undefined
  /** Dockerfile instructions that change the configuration. */
  changes: readonly string[]
}

/** A path as written, and the folder that a relative one is in; or who takes a tar. */
export type CopyTo = { path: string; cwd: string } | { tar(chunk: Uint8Array): void }
export type CopyFrom = { path: string; cwd: string } | { tar: AsyncIterable<Uint8Array> }

export interface CopyOptions {
  /** Into a container: files keep the ids that they have here; else they are root's. */
  archive: boolean
  /** A link that is named as the source is what it leads to. */
  followLink: boolean
}

export interface StopOptions {
  /** Default the container's; negative is for ever. */
  timeoutSeconds?: number | undefined
  signal?: string | undefined
}
