/** What a build is asked for and what it answers. */
import type { TsboxError } from '../../base/error.js'
import type { Descriptor } from '../../oci/manifest.js'
import type { IdEmulation, RlimitName } from '../../rootless/plan.js'

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
  userns: 'auto' | 'subid' | 'single' | 'host'
  /** How much of ids is emulated in `single` mode; default all. */
  emulation?: IdEmulation | undefined
  /** `id=X[,src=F|,env=E]`, resolved. */
  secrets: Readonly<Record<string, { file?: string | undefined; env?: string | undefined }>>
  /** Agents for `RUN --mount=type=ssh` and for repositories behind ssh, by id. */
  ssh?: Readonly<Record<string, SshGrant>> | undefined
  /** Name → folder (absolute), `docker-image://`, `oci-layout://` (folder absolute), `target:STAGE`, `https://`, git. */
  namedContexts: Readonly<Record<string, string>>
  platform?: string | undefined
  /** Ask registries for base images even where the store has them. */
  pull?: boolean | undefined
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
  /** A cache in a registry, or an image there that has an inline one. `insecure` allows plain HTTP. */
  | { type: 'registry'; ref: string; insecure?: boolean | undefined }

/** One `--cache-to`. */
export type CacheTo =
  /** In the configuration of the image. */
  { type: 'inline' } | CacheExport

/** A `--cache-to` that is a place of its own. */
export type CacheExport = CacheForm &
  (
    | {
        type: 'local'
        /** Folder, absolute. */
        dest: string
        tag: string
      }
    | {
        type: 'registry'
        /** With a tag; `latest` without. */
        ref: string
        /** Allow plain HTTP. */
        insecure?: boolean | undefined
      }
  )

/** What of a build a cache gets, and how. */
export interface CacheForm {
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
  /** `image`: it goes to the registries of its names; with `byDigest` without a tag. `insecure` allows plain HTTP. */
  push?: { byDigest: boolean; insecure?: boolean | undefined } | undefined
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
