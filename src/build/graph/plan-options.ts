import type { SourceLocation } from '../../base/error.js'
import type { Platform } from '../../oci/platform.js'
import type { Dockerfile } from '../dockerfile/instruction.js'
import type { SourceImage } from '../seams.js'
import type { RunOp } from './vertex.js'

/** What a name stands for that is given with the build: a tree of files, an image, a stage of the Dockerfile. */
export type NamedContext = { kind: 'files' } | { kind: 'image'; reference: string } | { kind: 'stage'; stage: string }

/** What a plan depends on beside the Dockerfile. */
export interface PlanOptions {
  buildArgs: Readonly<Record<string, string>>
  labels: Readonly<Record<string, string>>
  /** Stage name or index; undefined: the last. */
  target?: string | undefined
  /** What is built for. */
  platform: Platform
  /** What builds: the machine's; `platform` where absent. */
  buildPlatform?: Platform | undefined
  noCache: boolean
  /** Names or numbers of stages whose steps are executed anew, whatever is cached. */
  noCacheStages?: readonly string[] | undefined
  network: 'default' | 'none' | 'host'
  extraHosts: readonly { name: string; address: string }[]
  /** Size of the steps' /dev/shm, limits of their processes, their host name: the executor's own where absent. */
  shmSizeBytes?: number | undefined
  ulimits?: RunOp['ulimits']
  hostname?: string | undefined
  /** Put before the ids of cache mounts. */
  cacheNamespace?: string | undefined
  /** Proxy settings and the like: given to steps, never part of a key or of history. */
  hiddenEnv: Readonly<Record<string, string>>
  resolveImage(reference: string, platform: Platform): Promise<SourceImage>
  /** Whether a named context exists (`--build-context`). */
  namedContext(name: string): NamedContext | undefined
}

/** Place of some lines in a Dockerfile, for errors. */
export function locationOf(
  file: Pick<Dockerfile, 'file' | 'text'>,
  range: { line: number; endLine: number },
): SourceLocation {
  return { file: file.file, line: range.line, endLine: range.endLine, text: file.text }
}
