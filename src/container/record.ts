import type { ProcessIdentity } from '../util/identity.js'

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
  args: string[]
  /** Names of the volumes that it uses. */
  volumes?: string[] | undefined
  /** RFC 3339. */
  created: string
  /** The tsbox process that runs it; dead means that the container ended with it. */
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
