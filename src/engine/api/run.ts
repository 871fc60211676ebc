/** What a container in the foreground is asked for. */
import type { ProgressSink } from '../../build/progress/event.js'
import type { IdEmulation } from '../../rootless/plan.js'
import type { RunIsolation } from '../run/isolation/request.js'
import type { ResourceRequest } from '../run/resources/request.js'
import type { Ulimit } from './build.js'

export interface RunRequest {
  image: string
  /** Whether the image is asked for at its registry, and how that is shown; default: where the store has it not. */
  pull?:
    | {
        when: 'missing' | 'always' | 'never'
        progress?: ProgressSink | undefined
        /** Called when the image is there, before the container begins. */
        done?: (() => Promise<void>) | undefined
      }
    | undefined
  /** Undefined: the image's own. */
  command: readonly string[]
  entrypoint?: string | undefined
  name?: string | undefined
  remove: boolean
  interactive: boolean
  tty: boolean
  /** `K=V`, or `K` to pass it on. */
  env: readonly string[]
  /** As given: `SRC:DST[:ro]`, `NAME:DST`, `DST`. */
  volumes: readonly string[]
  workdir?: string | undefined
  user?: string | undefined
  network: 'host' | 'none'
  hostname?: string | undefined
  shmSizeBytes?: number | undefined
  ulimits?: readonly Ulimit[] | undefined
  /** Undefined: no limits. */
  resources?: ResourceRequest | undefined
  /** Undefined: docker's defaults. */
  isolation?: RunIsolation | undefined
  /** `keep-id`: one id, and the user of the container is this one. */
  userns: 'auto' | 'subid' | 'single' | 'keep-id' | 'host'
  /** How much of ids is emulated in `single` mode; default all. */
  emulation?: IdEmulation | undefined
  /** Ends the call when it runs in the background. */
  detach?: boolean | undefined
  labels?: Readonly<Record<string, string>> | undefined
  /** Streams of a container in the foreground that are joined to this process's own; undefined: those that are open. */
  attach?: readonly StreamName[] | undefined
  /** Keys that leave a container with a terminal, as docker writes them; '' is none, undefined the user's default. */
  detachKeys?: string | undefined
  /** Signals that this process gets go to the program (default true). */
  sigProxy?: boolean | undefined
  /** How its output is kept; undefined: docker's default, json-file without a limit. */
  log?: LogRequest | undefined
  /** Default the image's, else SIGTERM. */
  stopSignal?: string | undefined
  /** Negative: for ever. */
  stopTimeoutSeconds?: number | undefined
  annotations?: Readonly<Record<string, string>> | undefined
  /** Ports that it says it listens on, as `80/tcp`. */
  exposed?: readonly string[] | undefined
  /** `OS/ARCH[/VARIANT]` that the image must be of. */
  platform?: string | undefined
  /** Told of what was asked for and is not quite had. */
  onWarning?: ((message: string) => void) | undefined
  /** Told as soon as there is an id; throwing undoes the container. */
  onCreated?: ((id: string) => void) | undefined
  signal: AbortSignal
}

export type StreamName = 'stdin' | 'stdout' | 'stderr'

/** As `--log-driver` and `--log-opt` have it. */
export interface LogRequest {
  driver?: string | undefined
  options: Readonly<Record<string, string>>
}

export interface RunOutcome {
  /** Of the container, where there is one. */
  id?: string | undefined
  /** Docker's: the program's own, 128+n for a signal, 126/127 where it could not start, 125 for the engine. */
  exitCode: number
  /** What is not as one may expect, for who runs it. */
  warnings?: readonly string[] | undefined
  /** The user left it with the detach keys: it runs on. */
  detached?: boolean | undefined
}
