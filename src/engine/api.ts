/**
 * The use cases of tsbox, as the command line, the Engine API and compose see them. Everything is asked for with plain
 * data and answered with plain data; nothing here prints.
 */
import type { TsboxError } from '../base/error.js'
import type { LineRange } from '../build/dockerfile/ast.js'
import type { Outline } from '../build/dockerfile/checks/outline.js'
import type { LintWarning } from '../build/dockerfile/checks/reporter.js'
import type { ProgressSink } from '../build/progress/event.js'
import type { ContainerConfig, HistoryEntry, ImageConfig } from '../oci/config.js'
import type { Descriptor } from '../oci/manifest.js'
import type { DoctorFact } from '../rootless/doctor-fact.js'
import type { RlimitName } from '../rootless/plan.js'
import type { CacheUsage } from '../store/usage.js'
import type { RunIsolation } from './run/isolation/request.js'

export type { CacheUsage, DoctorFact, RunIsolation }

export interface EngineOptions {
  /** Folder of the store; default TSBOX_ROOT, else $XDG_DATA_HOME/tsbox, else ~/.local/share/tsbox. */
  root?: string | undefined
  env: Readonly<Record<string, string | undefined>>
}

export interface Engine {
  build(request: BuildRequest, progress: ProgressSink): Promise<BuildOutcome>
  /** Builds twice without the cache and compares; what is built is kept and written only where both are equal. */
  verify(request: BuildRequest, progress: ProgressSink): Promise<VerifyOutcome>
  run(request: RunRequest): Promise<RunOutcome>
  dockerfile: DockerfileEngine
  images: ImageEngine
  containers: ContainerEngine
  volumes: VolumeEngine
  builder: BuilderEngine
  system: SystemEngine
  doctor(): Promise<DoctorReport>
  /** Ends helpers and leases. Idempotent. */
  close(): Promise<void>
}

export interface BuildRequest {
  /** Folder of the context, absolute; or the URL of a tar, a Dockerfile, a git repository. */
  context: string
  /** A tar or a Dockerfile: takes the place of `context`. */
  contextStream?: AsyncIterable<Uint8Array> | undefined
  /** Dockerfile, absolute (within the context where that is no folder); default `<context>/Dockerfile`. `-` reads `dockerfileText`. */
  file?: string | undefined
  dockerfileText?: string | undefined
  tags: readonly string[]
  /** `K` → value; undefined takes it from the environment. */
  buildArgs: Readonly<Record<string, string | undefined>>
  labels: Readonly<Record<string, string>>
  target?: string | undefined
  noCache: boolean
  /** Names or numbers of stages whose steps are executed anew. */
  noCacheStages?: readonly string[] | undefined
  /** Caches of other builds; what can't be read is warned of and left out. */
  cacheFrom?: readonly CacheFrom[] | undefined
  cacheTo?: readonly CacheTo[] | undefined
  /** Steps that may execute at once. */
  jobs?: number | undefined
  backend: 'auto' | 'namespace' | 'wasi'
  /** Id mode of the helper. */
  userns: 'auto' | 'subid' | 'single'
  /** `id=X[,src=F|,env=E]`, resolved. */
  secrets: Readonly<Record<string, { file?: string | undefined; env?: string | undefined }>>
  /** Agents for `RUN --mount=type=ssh` and for repositories behind ssh, by id. */
  ssh?: Readonly<Record<string, SshGrant>> | undefined
  /** Name → folder (absolute), `docker-image://`, `oci-layout://` (folder absolute), `target:STAGE`, `https://`, git. */
  namedContexts: Readonly<Record<string, string>>
  platform?: string | undefined
  network: 'default' | 'none' | 'host'
  extraHosts: readonly { name: string; address: string }[]
  /** Bytes of the steps' /dev/shm; default docker's 64 MiB. */
  shmSizeBytes?: number | undefined
  /** Limits of the steps' processes. */
  ulimits?: readonly Ulimit[] | undefined
  /** Say of each step why it ran: `explanation` events. */
  explain?: boolean | undefined
  /** SOURCE_DATE_EPOCH, where none is given, is the time of the context's commit, else that of its newest file. */
  reproducible?: boolean | undefined
  /** Gets the graph of the build when it has ended, also where it failed. */
  onGraph?: ((graph: BuildGraph) => void) | undefined
  /** Where the result goes; default the store. */
  outputs?: readonly BuildOutput[] | undefined
  /** Gets the output whose `dest` is `-`. */
  stdout?: ((chunk: Uint8Array) => void) | undefined
  signal: AbortSignal
  /** Hears of the first RUN that fails, once nothing else runs and while a shell can be opened in it. */
  onFailure?: ((failure: BuildFailure) => Promise<void>) | undefined
}

/** A step that failed, still there to be looked at. */
export interface BuildFailure {
  /** What the build will fail with. */
  error: TsboxError
  /**
   * Opens a shell in the step on this process's terminal (its standard input and output), and settles when it has ended;
   * absent where what ran the step has none to offer. @throws TsboxError E_NO_SHELL
   */
  openShell?: (() => Promise<void>) | undefined
}

/** A resource limit; `Infinity` for none. @see getrlimit(2) */
export interface Ulimit {
  name: RlimitName
  soft: number
  hard: number
}

/**
 * One `--cache-from`. `local`: an OCI layout (a folder, or an archive of one) with a cache, or with an image that has an
 * inline one; without `tag` and `digest`, `latest`, else the only one. `image`: an image of the store.
 */
export type CacheFrom =
  | { type: 'local'; src: string; tag?: string | undefined; digest?: string | undefined }
  | { type: 'image'; reference: string }

/** One `--cache-to`. */
export type CacheTo =
  /** In the configuration of the image. */
  | { type: 'inline' }
  | {
      type: 'local'
      /** Folder, absolute. */
      dest: string
      tag: string
      /** `min`: the layers of the result; `max`: those of every step. */
      mode: 'min' | 'max'
      compression: 'uncompressed' | 'gzip' | 'zstd'
      level?: number | undefined
      /** Cache mounts: all that the build's steps have, none, or those with these ids. */
      mounts: boolean | readonly string[]
      /** A cache mount whose tar is larger is left out. */
      mountsLimitBytes: number
      /** Whether a failure is a warning. */
      ignoreError: boolean
    }
/**
 * `id[=SOCKET|KEY,…]`, resolved: an agent's socket, or files of private keys, for which an agent is started. Of a socket,
 * `raw` passes on everything; else steps can list keys and sign with them.
 */
export type SshGrant = { socket: string; raw: boolean } | { keys: readonly string[] }

/** One `--output`. `image`, and `docker` without `dest`, is the store. */
export interface BuildOutput {
  type: 'image' | 'docker' | 'oci' | 'local' | 'tar' | 'cacheonly'
  /** Absolute; `-` is the request's `stdout`. A folder for `local` and layouts that are no tar, else a file. */
  dest?: string | undefined
  /** `docker` and `oci`: false writes a folder. */
  tar: boolean
  /** Names of the image where the request has no tags. */
  names: readonly string[]
  /**
   * How layers are packed: those of the build, and with `force` the base's too. Default: the build's are plain tars, the
   * base's as they came. `level` is 0 to 9 for gzip, 1 to 22 for zstd.
   */
  compression?: { kind: 'uncompressed' | 'gzip' | 'zstd'; level?: number | undefined; force: boolean } | undefined
  /** Clamps the times of the base's layers to SOURCE_DATE_EPOCH too, which must be set. */
  rewriteTimestamp?: boolean | undefined
  /** Media types of documents and layers; default `oci`. */
  mediaTypes?: 'oci' | 'docker' | undefined
  annotations?: readonly ImageAnnotation[] | undefined
  /** `image`: the layers are unpacked too, so that the first container starts at once. */
  unpack?: boolean | undefined
  /** `image`: false keeps it out of the list of images. */
  store?: boolean | undefined
}

/** An annotation of an image's manifest, or of the descriptor by which an OCI layout lists it. */
export interface ImageAnnotation {
  on: 'manifest' | 'manifest-descriptor'
  /** Only images for this platform get it; undefined: all. */
  platform?: string | undefined
  key: string
  value: string
}

export interface BuildOutcome {
  /** Digest of the config (docker's image id), `sha256:…`. */
  imageID: string
  manifestDigest: string
  /** When the image was made, RFC 3339. */
  created?: string | undefined
  /** Names in the store. */
  tags: string[]
  /** What was made of the image, of the first output that has one; absent where none has. */
  image?: { descriptor: Descriptor; names: string[] } | undefined
}

/** The steps of a build that has ended. */
export interface BuildGraph {
  /** Name of the Dockerfile as messages show it. */
  file: string
  target?: string | undefined
  /** Milliseconds since 1970. */
  startedMs: number
  endedMs: number
  /** Inputs before users. */
  nodes: BuildGraphNode[]
}

/** A step, an image or a context. */
export interface BuildGraphNode {
  /** Indexes into the nodes: what it stands on and what it takes files from. */
  inputs: number[]
  /** The one of them that it stands on; undefined for what stands on nothing. */
  base?: number | undefined
  kind: 'image' | 'context' | 'run' | 'copy' | 'mkdir'
  /** Label of its stage; undefined for what belongs to none. */
  stage?: string | undefined
  /** As progress shows it, without the place in the stage: `RUN make`. */
  title: string
  /** The instruction as written, all lines; `''` for what has none. */
  source: string
  line?: number | undefined
  state: 'ran' | 'cached' | 'failed' | 'canceled' | 'unneeded'
  /** Undefined where it was not executed. */
  startedMs?: number | undefined
  endedMs?: number | undefined
  /** Bytes of the files that it added, of an image those of its layers; undefined where unknown. */
  sizeBytes?: number | undefined
  /** What ran it. */
  executor?: string | undefined
  /** Why it ran or did not, where the build explains. */
  reasons?: readonly string[] | undefined
}

/** What a build that was done twice from scratch came to. */
export interface VerifyOutcome {
  /** Of the build that was kept; undefined where the two differ. */
  built?: BuildOutcome | undefined
  difference?: BuildDifference | undefined
  /** Whether file times were fixed by SOURCE_DATE_EPOCH. */
  epoch: boolean
}

/** The first difference of two builds. */
export interface BuildDifference {
  /** As progress shows the step. */
  step: string
  /** Absolute in the image; `''` where it is about none. */
  path: string
  /** What differs, in words. */
  how: string[]
  /** Lines that show it. */
  detail: string[]
  hint: string
}

/** A Dockerfile and what decides what it means. */
export type DockerfileRequest = Pick<
  BuildRequest,
  | 'context'
  | 'contextStream'
  | 'file'
  | 'dockerfileText'
  | 'buildArgs'
  | 'target'
  | 'platform'
  | 'namedContexts'
  | 'secrets'
  | 'ssh'
  | 'signal'
>

/** The Dockerfile that was read, under the name that messages show. */
export interface DockerfileAnswer {
  source: { file: string; text: string }
}

export interface DockerfileCheck extends DockerfileAnswer {
  /** In the order of lines. */
  warnings: LintWarning[]
  /** What would fail the build before its first step, warnings that shall be errors among it. */
  error: TsboxError | undefined
}

/** A stage that can be built. */
export interface DockerfileTarget {
  /** `''` where it has none. */
  name: string
  /** The last stage, built without `--target`. */
  default: boolean
  description: string
  /** As written. */
  base: string
  platform: string
  location: LineRange
}

/**
 * Reads Dockerfiles and builds nothing. Of the context only the Dockerfile and `.dockerignore` are looked at; base
 * images are known as far as they are in the store.
 */
export interface DockerfileEngine {
  /** Without a target all stages are checked. A Dockerfile that can't be read is the answer's error, too. */
  check(request: DockerfileRequest): Promise<DockerfileCheck>
  /** What can be given to the build of the target. @throws TsboxError E_DOCKERFILE */
  outline(request: DockerfileRequest): Promise<Outline & DockerfileAnswer>
  /** In the order of the file. @throws TsboxError E_DOCKERFILE */
  targets(request: DockerfileRequest): Promise<{ targets: DockerfileTarget[] } & DockerfileAnswer>
}

export interface RunRequest {
  image: string
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
  /** Undefined: docker's defaults. */
  isolation?: RunIsolation | undefined
  userns: 'auto' | 'subid' | 'single'
  /** Ends the call when it runs in the background. */
  detach?: boolean | undefined
  labels?: Readonly<Record<string, string>> | undefined
  /** Default the image's, else SIGTERM. */
  stopSignal?: string | undefined
  /** Negative: for ever. */
  stopTimeoutSeconds?: number | undefined
  /** Told as soon as there is an id; throwing undoes the container. */
  onCreated?: ((id: string) => void) | undefined
  signal: AbortSignal
}

export interface RunOutcome {
  /** Of the container, where there is one. */
  id?: string | undefined
  /** Docker's: the program's own, 128+n for a signal, 126/127 where it could not start, 125 for the engine. */
  exitCode: number
}

export interface ImageSummary {
  /** `docker.io/library/x` is shown as `x`; undefined for an image without a tag. */
  repository?: string | undefined
  tag?: string | undefined
  /** Config digest. */
  id: string
  manifestDigest: string
  created?: string | undefined
  sizeBytes: number
}

/** Docker's JSON of `image inspect`, as far as it has a meaning here. */
export interface ImageInspect {
  Id: string
  RepoTags: string[]
  RepoDigests: string[]
  Created?: string
  Author?: string
  Architecture: string
  Variant?: string
  Os: string
  Size: number
  Config: ContainerConfig
  RootFS: { Type: 'layers'; Layers: string[] }
  Metadata: { LastTagTime?: string }
}

export interface ImageEngine {
  /** Newest first; `name` is a reference with or without a tag. */
  list(name?: string): Promise<ImageSummary[]>
  inspect(reference: string): Promise<ImageInspect>
  /** Newest first, with the size of each layer. */
  history(reference: string): Promise<(HistoryEntry & { id: string; sizeBytes: number })[]>
  tag(source: string, target: string): Promise<void>
  /** @returns lines as docker's: `Untagged: …`, `Deleted: …` */
  remove(references: readonly string[], options: { force: boolean }): Promise<string[]>
  /** docker-archive, OCI archive, OCI layout folder; `-` is `stdin`. @returns names or ids that were loaded */
  load(input: string, stdin?: AsyncIterable<Uint8Array>): Promise<string[]>
  /** One archive that is OCI layout and docker-archive in one; `write` gets the bytes in order. */
  save(references: readonly string[], write: (chunk: Uint8Array) => Promise<void> | void): Promise<void>
  /** A root filesystem's tar becomes an image of one layer. @returns the image id */
  import(
    input: string,
    reference: string | undefined,
    changes: readonly string[],
    stdin?: AsyncIterable<Uint8Array>,
  ): Promise<string>
  /** Programs of this machine and the shared libraries that they need become an image. @returns the image id */
  fromHost(reference: string, programs: readonly string[]): Promise<string>
  config(reference: string): Promise<{ digest: string; config: ImageConfig }>
}

export interface ContainerSummary {
  id: string
  name: string
  image: string
  /** Config digest of the image. */
  imageID?: string | undefined
  command: string[]
  created: string
  status: 'created' | 'running' | 'exited'
  exitCode?: number | undefined
  started?: string | undefined
  finished?: string | undefined
  labels: Readonly<Record<string, string>>
  /** Names of volumes, and paths of this machine. */
  mounts: readonly string[]
  network: string
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
  logs(name: string, request: LogsRequest): Promise<void>
  /** Docker's JSON of `container inspect`. */
  inspect(name: string): Promise<Record<string, unknown>>
  /** Output of `ps` with these arguments, for the container's processes only. */
  top(name: string, psArguments: readonly string[]): Promise<string>
  prune(filters: ContainerFilters): Promise<{ ids: string[]; reclaimedBytes: number }>
}

export interface StopOptions {
  /** Default the container's; negative is for ever. */
  timeoutSeconds?: number | undefined
  signal?: string | undefined
}

/** A named volume. */
export interface VolumeSummary {
  name: string
  /** Id mode in which its files are owned. */
  mode: string
  /** Folder of this machine. */
  mountpoint: string
}

export interface VolumeEngine {
  list(): Promise<VolumeSummary[]>
  /** Removes volumes that no container uses, in every id mode. @returns their names */
  remove(names: readonly string[], options: { force: boolean }): Promise<string[]>
}

export interface SystemEngine {
  /** Removes stopped containers, unused images (`all`: every image no container uses), build cache, leftovers. */
  prune(options: { all: boolean }): Promise<{ deleted: string[]; reclaimedBytes: number }>
}

/** Which pieces of the build cache are meant: all conditions must hold. */
export interface CacheFilter {
  /** What was not used for that long. */
  untilMs?: number | undefined
  /** Each must find something in the piece. */
  id: readonly RegExp[]
  description: readonly RegExp[]
  type: readonly string[]
  flags: readonly { name: 'inUse' | 'mutable' | 'shared'; value: boolean }[]
}

export interface BuilderEngine {
  /** The most lately used first. */
  usage(filter: CacheFilter): Promise<CacheUsage[]>
  /**
   * Removes pieces of the build cache, the longest unused first; limits in bytes. What a running build has stays.
   *
   * @returns what went, and the bytes that the disk has more
   */
  prune(request: {
    /** Also what images share, and what only leads to results. */
    all: boolean
    filter: CacheFilter
    reservedBytes?: number | undefined
    maxUsedBytes?: number | undefined
    minFreeBytes?: number | undefined
  }): Promise<{ pruned: CacheUsage[]; reclaimedBytes: number }>
}

export interface DoctorReport {
  facts: DoctorFact[]
  /** What tsbox will use. */
  modes: { userns: 'subid' | 'single' | 'none'; backend: 'namespace' | 'wasi'; network: string }
}
