import type { ProcessIdentity } from '../util/identity.js'

/** How a folder or file is bound, as a plan's `bind` has it. */
export interface BindManner {
  /** Path within the source. */
  sub?: string | undefined
  recursive?: boolean | undefined
  follows?: boolean | undefined
  nosuid?: boolean | undefined
  nodev?: boolean | undefined
  noexec?: boolean | undefined
}

/** What is mounted beside the root. */
export interface ContainerVolume extends BindManner {
  kind: 'path' | 'named' | 'anonymous'
  /** Name of a volume; '' for the other kinds. */
  name: string
  /** Path of this machine. */
  source: string
  target: string
  readonly: boolean
}

/** What a container's process is, whenever it starts. */
export interface ContainerSettings {
  /** As asked for or the image's: `args` of the record is both. */
  entrypoint: readonly string[]
  command: readonly string[]
  /** Complete, but for HOME. */
  env: readonly string[]
  cwd: string
  /** `USER[:GROUP]`, names or numbers; '' is root. */
  user: string
  hostname: string
  network: 'host' | 'none'
  tty: boolean
  /** Input is open; `stdinOnce`: until the first that is attached has ended it. */
  openStdin: boolean
  stdinOnce: boolean
  labels: Readonly<Record<string, string>>
  /** Streams that were joined to those of `run`; absent for one that was made for the background. */
  attach?: readonly ('stdin' | 'stdout' | 'stderr')[] | undefined
  /** How its output is kept; absent: docker's default. */
  log?: { driver: 'json-file' | 'local' | 'none'; options: Readonly<Record<string, string>> } | undefined
  stopSignal?: string | undefined
  /** Negative: for ever. */
  stopTimeoutSeconds?: number | undefined
  mounts: readonly ContainerVolume[]
  /** Options beyond these, in the engine's own form. */
  parts?: string | undefined
}

/** A container as its record has it. Paths are the container's unless said otherwise. */
export interface ContainerRecord {
  /** 64 hex digits. */
  id: string
  name: string
  /** The image as it was asked for. */
  image: string
  /** Digest of the image's manifest: kept while the container is there. */
  manifest: string
  layers: { diffID?: string | undefined; snapshot?: string | undefined; snapshotMode?: string | undefined }[]
  mode: 'subid' | 'single'
  /** How much of ids is emulated in `single` mode, where that is not all. */
  emulation?: 'no-stat' | 'errno' | undefined
  /** It has no user namespace: root asked for that. */
  userns?: 'host' | undefined
  args: string[]
  /** Names of the volumes that it uses. */
  volumes?: string[] | undefined
  /** RFC 3339. */
  created: string
  /** Config digest of the image. */
  imageID?: string | undefined
  /** Absent in records of the time before containers could be started again. */
  settings?: ContainerSettings | undefined
  /** It runs, or ran, with a monitor: `exit.json` beside the record says how it ended. */
  detached?: boolean | undefined
  /** RFC 3339. */
  started?: string | undefined
  /** Why it could not start. */
  error?: string | undefined
  /** How often it was started again. */
  restarts?: number | undefined
  /** The process that makes it (tsbox) or watches over it (the monitor); dead means that the container ended with it. */
  runner?: ProcessIdentity | undefined
  /** Set once the payload ended. */
  exitCode?: number | undefined
  finished?: string | undefined
  /** Removed when it ends. */
  autoRemove: boolean
}

const LEFT =
  'able airy bold brave calm civil clear deft eager early exact fair fine firm frank free glad grand handy keen kind lucid mild neat noble open plain proud quick quiet ready sharp sober sound stout sunny swift tidy true vivid warm wise'.split(
    ' ',
  )
const RIGHT =
  'babbage backus bartik boole borg church clarke curry dijkstra engelbart feinler floyd franklin gauss goldberg hamilton hoare holberton hopper iverson johnson karp keller knuth kolmogorov lamport lamarr liskov lovelace mcCarthy milner moore naur neumann newell noether perlis postel ritchie shannon stallman tarjan thompson torvalds turing ulam wilkes wirth zuse'
    .toLowerCase()
    .split(' ')

/** A name for a container that was given none. @param random numbers in [0, 1) */
export function randomName(random: () => number): string {
  const pick = (words: string[]) => words[Math.floor(random() * words.length)]!
  return `${pick(LEFT)}_${pick(RIGHT)}`
}

/** Docker's rule for names. */
export function isContainerName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)
}
