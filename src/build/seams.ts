/**
 * What the builder needs of the world. `src/build` is portable: it names its needs here and the engine (or a browser
 * page) gives them.
 */
import type { GitSource } from '../base/git-url.js'
import type { Sha256 } from '../base/hash.js'
import type { Entry, EntrySink } from '../layer/entry.js'
import type { ImageConfig } from '../oci/config.js'
import type { Descriptor } from '../oci/manifest.js'
import type { Platform } from '../oci/platform.js'
import type { ProgressSink } from './progress/event.js'
import type { StartTransfer } from './progress/transfer.js'

/** A layer in one or both of its forms: an unpacked snapshot, a tar blob. At least one is known. */
export interface Layer {
  /** Digest of the uncompressed tar. */
  diffID?: string | undefined
  /** Name of a snapshot in the store, of the id mode that `snapshotMode` names. */
  snapshot?: string | undefined
  snapshotMode?: string | undefined
  /** The blob that it came as (a base image's layer), which the new image names too. */
  descriptor?: Descriptor | undefined
}

/** A node of a tree of files, with content by reference. Paths are relative to the root, without leading slash. */
export interface TreeNode {
  readonly entry: Entry
}

/**
 * A read-only tree: a stack of layers, or a build context. Nothing is followed: callers resolve links themselves with
 * `resolveInTree`, so that no path leaves the root.
 */
export interface FileTree {
  /** The entry at a literal path (no link of it followed); undefined where nothing is. `''` is the root. */
  lstat(path: string): Entry | undefined
  /** Names in a directory, in byte order; empty for what is no directory. */
  readdir(path: string): readonly string[]
  /** Entries of a directory in byte order, where the tree has a quicker way than asking for each by its name. */
  list?(path: string): readonly Entry[]
  /** Content of a small file, all of it. */
  readFile(path: string): Promise<Uint8Array>
  /** Content of a file of any size, in pieces. */
  stream(path: string): AsyncIterable<Uint8Array>
  /**
   * Contents of many files, each exactly as long as its entry says: `onFile` with the index of a path, then its data.
   *
   * @returns hex SHA-256 of each content
   * @throws TsboxError E_FILE_CHANGED when a file is no longer what its entry says
   */
  readFiles(
    paths: readonly string[],
    onFile: (index: number) => void,
    onData: (chunk: Uint8Array) => void,
  ): Promise<string[]>
  /** Hex SHA-256 of each content where it is known without reading. */
  knownHashes(paths: readonly string[]): (string | undefined)[]
  /** Hears of a layer that holds contents of this tree: they may come from there the next time. */
  stored?(layer: Layer): void
}

/** A new layer being written, tar first. */
export interface LayerWriter extends EntrySink {
  /**
   * Finishes the layer and stores it.
   *
   * @param sums hex SHA-256 of contents, where they are known, by number of the entry
   */
  commit(sums?: readonly (string | undefined)[]): Promise<Layer>
  /** Forgets what was written; safe after commit. */
  abort(): void
}

/** Layers as the store and the helper have them. */
export interface LayerService {
  /** Merged view of a stack, base first. */
  tree(layers: readonly Layer[]): Promise<FileTree>
  writer(): LayerWriter
  /**
   * An archive (tar, compressed or not) is kept as a layer, in which every content is found under the path that its
   * entry has; undefined when it is no archive. `entries` are in the archive's order.
   */
  importArchive(content: AsyncIterable<Uint8Array>): Promise<{ layer: Layer; entries: Entry[] } | undefined>
  /** True while the layer can still be used (garbage collection may have taken it); keeps it for this build. */
  keep(layer: Layer): boolean
  /** What a layer holds, in the order of its tar; content is not read. */
  entries(layer: Layer): Promise<readonly Entry[]>
  /** Digest and size in bytes of the layer's tar with times clamped to `epoch` (seconds), computing it where unknown. */
  seal(layer: Layer, epoch: number | undefined): Promise<{ diffID: string; sizeBytes: number }>
}

/** What a build-cache record remembers of a vertex. */
export interface CacheRecord {
  /** The vertex's outward key: the content key of copy-like ops, the definition key of the others. */
  key: string
  /** Absent for a record that only leads from a definition key to a content key. */
  layer?: Layer | undefined
  /** Seconds since 1970, when the step was executed. */
  created: number
  /** How progress named the step: for lists of what is cached. */
  title?: string | undefined
  /** The cache that it was imported from. */
  origin?: string | undefined
}

/** Build-cache records by key (hex). Both may be called from many builds at once; the last writer wins. */
export interface BuildCache {
  get(key: string): CacheRecord | undefined
  /** Whether other machines' records are among them. */
  readonly isShared?: boolean | undefined
  put(key: string, record: CacheRecord): void
}

/** A base image: its configuration, and layers that need not be unpacked yet. */
export interface SourceImage {
  /** Digest of the manifest (or of the config where there is none). */
  digest: string
  config: ImageConfig
  layers: Layer[]
  /** How progress names it, if not as it was asked for. */
  reference?: string | undefined
}

/** An agent on this machine that steps may use. */
export interface SshAgent {
  /** Path of its socket. */
  socket: string
  /** Whatever is said passes; else only listing keys and signing with them. */
  raw: boolean
}

/** A mount of one step beside its root. */
export type StepMount =
  | { type: 'bind'; target: string; source: StepMountSource; path: string; readonly: boolean }
  | {
      type: 'cache'
      target: string
      id: string
      sharing: 'shared' | 'private' | 'locked'
      readonly: boolean
      mode: number
      uid: number
      gid: number
      seed?: { layers: readonly Layer[]; path: string } | undefined
    }
  | { type: 'tmpfs'; target: string; sizeBytes?: number | undefined }
  | { type: 'secret'; target: string; value: Uint8Array; mode: number; uid: number; gid: number }
  | { type: 'ssh'; target: string; agent: SshAgent; mode: number; uid: number; gid: number }

/** Where a bind mount reads from: a stack of layers, or a context written out as a layer. */
export interface StepMountSource {
  layers: readonly Layer[]
}

/** One build step, ready to run. */
export interface StepSpec {
  /** Root: base first. */
  layers: readonly Layer[]
  args: readonly string[]
  /** `K=V`, in order. */
  env: readonly string[]
  cwd: string
  /** As in the image's config: `''`, `name`, `uid:gid`, … */
  user: string
  mounts: readonly StepMount[]
  network: 'default' | 'none' | 'host'
  /** Extra lines for /etc/hosts: name and address. */
  extraHosts: readonly { name: string; address: string }[]
  shmSizeBytes?: number | undefined
  ulimits?: readonly { name: string; soft: number; hard: number }[] | undefined
  /** Default: one that says that this is a build. */
  hostname?: string | undefined
  /** Seconds; injected so that steps with a clock of their own (WASI) can be deterministic. */
  epoch?: number | undefined
  /** The stage's SHELL, for who wants to look at the step when it has failed. */
  stageShell?: readonly string[] | undefined
}

/** What came of a step: a non-zero exit has no layer. */
export interface StepResult {
  /** 128 and its number where a signal ended the process. */
  exitCode: number
  layer?: Layer | undefined
  /** The kernel ended a process for want of memory while the step ran; it may have been another one. */
  outOfMemory?: boolean | undefined
}

/** What a step that failed left behind, as long as it can be looked at: until the listener's promise settles. */
export interface FailedStep {
  result: StepResult
  /**
   * Opens a shell where the step ran (files as it left them, mounts, environment, user, folder, network) on this
   * process's terminal, and settles when it has ended. Nothing that is done there stays.
   *
   * @throws TsboxError E_NO_SHELL
   */
  openShell(signal: AbortSignal): Promise<void>
}

/** Receives a step's output as it comes. */
export interface StepOutput {
  stdout(chunk: Uint8Array): void
  stderr(chunk: Uint8Array): void
}

/** Runs steps: namespaces, WASI, others later. The graph knows none of them. */
export interface StepExecutor {
  /** `namespace`, `wasi`: part of the cache key where the result depends on it. */
  readonly id: string
  /** What the executor itself adds to the key of its steps: '' for the one whose results any other must equal. */
  readonly keySalt: string
  /** True when this executor is the one for the step (asked in order of preference). */
  accepts(step: StepSpec, root: FileTree): Promise<boolean>
  /** @param onFailure is called with what failed before it is taken away, where the executor can show that */
  run(
    step: StepSpec,
    output: StepOutput,
    signal: AbortSignal,
    onFailure?: ((failed: FailedStep) => Promise<void>) | undefined,
  ): Promise<StepResult>
}

/** Where a finished image goes. */
export interface ImageSink {
  /** Stores a small document. @returns its digest, `sha256:…` */
  putBlob(bytes: Uint8Array): Promise<string>
  /** Points the tags at the manifest; with none the image is kept untagged. */
  tag(manifest: Descriptor, config: Descriptor): Promise<void>
}

/** A file from the network, in a layer that holds it. */
export interface FetchedFile {
  layer: Layer
  /** Of the file within the layer. */
  path: string
  /** What it is called where the destination is a directory. */
  name: string
}

/** What a git source means at the moment. */
export interface GitCommit {
  /** Names the repository, the commit and what of it is taken; nothing secret is in it. */
  key: string
  /** Full id. */
  commit: string
  /** Full name of the ref; undefined where the commit itself was asked for. */
  name?: string | undefined
  /** Id of the annotated tag that leads to the commit. */
  tag?: string | undefined
  /** Its files need not be fetched. */
  cached: boolean
}

/** Git repositories. */
export interface GitHost {
  /** Asks the repository, unless a full id is given. @throws TsboxError E_GIT_REF, E_GIT_FETCH, E_GIT_CHECKSUM, E_NO_GIT, E_NO_SSH */
  resolve(source: GitSource): Promise<GitCommit>
  /** The files as a layer. @throws TsboxError E_GIT_FETCH, E_GIT_REF, E_GIT_SUBDIR */
  layer(source: GitSource, commit: GitCommit, transfer?: StartTransfer): Promise<Layer>
}

/** Everything the builder is given. */
export interface BuildHost {
  sha256: Sha256
  /** Whole seconds since 1970. */
  now(): number
  /** Milliseconds since 1970, for progress only. */
  nowMs(): number
  /** Numbers of vertices in progress events, from 1. */
  nextVertexId(): number
  layers: LayerService
  cache: BuildCache
  /** In order of preference; asked for when a step must be judged or run, which a cached build may never do. */
  executors(): Promise<readonly StepExecutor[]>
  /** In the key of every step where this build's steps give other results than those of any other build. */
  stepSalt?: string | undefined
  progress: ProgressSink
  /** @throws TsboxError E_IMAGE_NOT_FOUND */
  resolveImage(reference: string, platform: Platform): Promise<SourceImage>
  /** The main context (`''`) or a named one; undefined when there is none of that name. */
  context(name: string): Promise<FileTree | undefined>
  /**
   * Fetches what ADD names by URL; absent where there is no network.
   *
   * @param checksum `algorithm:hex` that the content must have
   */
  fetch?(url: string, checksum: string | undefined, transfer?: StartTransfer): Promise<FetchedFile>
  /** What ADD takes from repositories; absent where there is no network. */
  git?: GitHost
  /** The machine's, which steps run on. */
  platform: Platform
}
