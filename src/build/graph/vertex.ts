import type { SourceLocation } from '../../base/error.js'
import type { GitSource } from '../../base/git-url.js'
import type { SourceImage } from '../seams.js'

/** What a vertex does. Everything in it that can change the result is part of the vertex's key. */
export type Op = ScratchOp | ImageOp | ContextOp | GitOp | RunOp | CopyOp | MkdirOp

/** The empty root. */
export interface ScratchOp {
  kind: 'scratch'
}

/** A base image, already resolved to a digest. */
export interface ImageOp {
  kind: 'image'
  reference: string
  image: SourceImage
}

/** Files of a build context: `''` is the main one. */
export interface ContextOp {
  kind: 'context'
  name: string
}

/** Files of a git repository, for ADD. */
export interface GitOp {
  kind: 'git'
  source: GitSource
}

/** A step that executes. Inputs: the root, then the sources of its mounts in order. */
export interface RunOp {
  kind: 'run'
  args: string[]
  /** Whether `args` is a command line given to a shell. */
  shell: boolean
  env: string[]
  /** Values a step sees that never enter a key (proxies). */
  hiddenEnv: string[]
  /** The stage's SHELL: what opens where the step failed, no part of a key. */
  stageShell: readonly string[]
  cwd: string
  user: string
  network: 'default' | 'none' | 'host'
  mounts: RunMount[]
  extraHosts: { name: string; address: string }[]
  /** Bytes of /dev/shm, limits, host name: only where the build asks for other ones, so that keys of most are the same. */
  shmSizeBytes?: number | undefined
  ulimits?: readonly { name: string; soft: number; hard: number }[] | undefined
  hostname?: string | undefined
}

/** A mount of a run; `input` is an index into the vertex's inputs. Secrets and sockets are given by id and stay out of keys. */
export type RunMount =
  | { type: 'bind'; target: string; input: number; path: string; readonly: boolean }
  | {
      type: 'cache'
      target: string
      id: string
      sharing: 'shared' | 'private' | 'locked'
      readonly: boolean
      mode: number
      uid: number
      gid: number
      input?: number | undefined
      path: string
    }
  | { type: 'tmpfs'; target: string; sizeBytes?: number | undefined }
  /** A here-document that is executed as a program. */
  | { type: 'file'; target: string; content: string }
  | {
      type: 'secret'
      target?: string | undefined
      id: string
      env?: string | undefined
      required: boolean
      mode: number
      uid: number
      gid: number
    }
  | { type: 'ssh'; target: string; id: string; required: boolean; mode: number; uid: number; gid: number }

/** Where a copy takes files from. */
export type CopySource =
  /** Paths in input `input` (an index into the vertex's inputs), as written and expanded, rooted. */
  | { from: 'tree'; input: number; path: string }
  /** A here-document: its name and content. */
  | { from: 'inline'; name: string; content: string }
  /** A file fetched from an HTTP(S) address. */
  | { from: 'http'; url: string; checksum?: string | undefined }

/** COPY and ADD. Inputs: the root that is copied onto, then the trees that are copied from. */
export interface CopyOp {
  kind: 'copy'
  sources: CopySource[]
  /** Rooted; a trailing slash means a directory. */
  dest: string
  chown?: string | undefined
  chmod?: string | undefined
  exclude: string[]
  parents: boolean
  link: boolean
  /** ADD extracts local archives; `--unpack` also fetched ones. */
  unpack: 'none' | 'local' | 'all'
}

/** WORKDIR: the directory and its parents, where they are missing. Input: the root. */
export interface MkdirOp {
  kind: 'mkdir'
  path: string
  user: string
}

/** A node of the build graph. */
export interface Vertex {
  readonly op: Op
  readonly inputs: readonly Vertex[]
  /** What progress shows: `[stage 2/4] RUN make`. */
  readonly name: string
  readonly location?: SourceLocation | undefined
  /** Never take a cached result for it. */
  readonly noCache: boolean
  /** A copy whose sources are made anew: a cached result counts only once their contents are seen. */
  readonly byContent?: boolean | undefined
  /** Label of the stage that it is a step of: its name, or `stage-N` where there are several. */
  readonly stage?: string | undefined
  /** Names of the ARGs among its variables. */
  readonly argNames?: readonly string[] | undefined
}

/** Every vertex that `target` needs, inputs before users, each once. */
export function topological(target: Vertex): Vertex[] {
  const seen = new Set<Vertex>()
  const out: Vertex[] = []
  const visit = (v: Vertex) => {
    if (seen.has(v)) return
    seen.add(v)
    for (const i of v.inputs) visit(i)
    out.push(v)
  }
  visit(target)
  return out
}
