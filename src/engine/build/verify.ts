import { TsboxError } from '../../base/error.js'
import { type Aspect, firstDifference, type PathDifference } from '../../build/explain/first-difference.js'
import { topological, type Vertex } from '../../build/graph/vertex.js'
import type { ProgressSink } from '../../build/progress/event.js'
import type { Layer } from '../../build/seams.js'
import { sha256Hex } from '../../util/hash.js'
import type { BuildDifference, BuildOutcome, BuildRequest, VerifyOutcome } from '../api.js'
import type { BuildDeps, RunBuild } from './build-engine.js'
import { contentDifference } from './content-diff.js'
import type { SolvedBuild } from './step-memory.js'

const HINTS: Readonly<Record<PathDifference['kind'], string>> = {
  time: 'set SOURCE_DATE_EPOCH, or build with --reproducible',
  content:
    'look for dates, random values, and the order of files or threads in what the step does; SOURCE_DATE_EPOCH is in the environment of steps below "ARG SOURCE_DATE_EPOCH"',
  metadata: 'let the step set modes and owners itself',
  missing: 'let the step remove what has random names, logs and caches among it',
  order: 'report this: layers are written in one order',
}

/** A step in both builds. */
interface Pair {
  vertex: Vertex
  before: Layer
  now: Layer
}

/**
 * Builds twice without the cache, compares what the steps gave, and only where the image is the same builds it for good:
 * from the cache, which the second one filled.
 *
 * @param build builds a request
 * @throws TsboxError E_VERIFY for a context that can be read only once, and what a build throws
 */
export async function verifyBuild(
  deps: BuildDeps,
  request: BuildRequest,
  progress: ProgressSink,
  build: RunBuild,
): Promise<VerifyOutcome> {
  if (request.contextStream)
    throw new TsboxError('E_VERIFY', 'verify: the context is read twice, and standard input can be read only once', {
      hint: 'unpack it and name the folder',
    })
  const trial: BuildRequest = {
    ...request,
    noCache: true,
    cacheFrom: [],
    cacheTo: [],
    explain: false,
    onGraph: undefined,
    outputs: [{ type: 'cacheonly', tar: true, names: [] }],
  }
  const rounds = new Rounds(progress)
  const first = await solvedBuild(deps, trial, rounds.next('first build'), build)
  const second = await solvedBuild(deps, trial, rounds.next('second build'), build)
  const { epoch } = second
  const difference = await compare(deps, first, second, epoch)
  if (difference) return { difference, epoch: epoch !== undefined }
  const cached: BuildRequest = { ...request, noCache: false, noCacheStages: [], cacheFrom: [] }
  const built = await build(deps, cached, rounds.next(''), (third) => sameAs(second, third))
  return { built, epoch: epoch !== undefined }
}

/** @throws TsboxError E_VERIFY where what is kept would be another image than the verified one */
function sameAs(verified: SolvedBuild, { target, solver }: SolvedBuild): void {
  const key = solver.knownKeys.get(target)
  if (key !== undefined && key !== verified.solver.knownKeys.get(verified.target))
    throw new TsboxError('E_VERIFY', 'verify: the build context changed after the second build')
}

/** Several builds as one progress: each has numbers and names of its own. */
class Rounds {
  readonly #sink: ProgressSink
  #last = 0

  constructor(sink: ProgressSink) {
    this.#sink = sink
  }

  next(name: string): ProgressSink {
    const offset = this.#last
    const shift = (id: number) => {
      this.#last = Math.max(this.#last, id + offset)
      return id + offset
    }
    return (event) => {
      const id = shift(event.id)
      if (event.type !== 'vertex') return this.#sink({ ...event, id })
      const shown = name === '' ? event.name : `${name}: ${event.name}`
      const digest = sha256Hex(`${offset} ${event.digest}`)
      this.#sink({ ...event, id, name: shown, digest, inputs: event.inputs.map(shift) })
    }
  }
}

interface Built extends SolvedBuild {
  outcome: BuildOutcome
  epoch: number | undefined
}

async function solvedBuild(
  deps: BuildDeps,
  request: BuildRequest,
  progress: ProgressSink,
  build: RunBuild,
): Promise<Built> {
  let solved: SolvedBuild | undefined
  let epoch: number | undefined
  const outcome = await build(deps, request, progress, (b, seconds) => {
    solved = b
    epoch = seconds
  })
  return { ...solved!, outcome, epoch }
}

async function compare(
  deps: BuildDeps,
  first: Built,
  second: Built,
  epoch: number | undefined,
): Promise<BuildDifference | undefined> {
  const pairs = pairsOf(first, second)
  const chain = new Set(chainOf(second.target))
  const aspects: Aspect[] = ['files', 'times']
  for (const aspect of aspects) {
    const differing = async (p: Pair) => firstDifferenceOf(deps, p, aspect, epoch)
    const inImage = await firstOf(
      pairs.filter((p) => chain.has(p.vertex)),
      differing,
    )
    if (!inImage) continue
    const found = (await firstOf(pairs, differing))!
    const told = await describe(deps, found)
    if (found.pair === inImage.pair) return told
    const shows = `in the image it shows first in ${inImage.pair.vertex.name}: /${inImage.difference.path}`
    return { ...told, detail: [...told.detail, shows] }
  }
  if (epoch === undefined || first.outcome.imageID === second.outcome.imageID) return undefined
  const how = [`image configuration ${first.outcome.imageID} → ${second.outcome.imageID}`]
  return { step: 'exporting to image', path: '', how, detail: [], hint: 'report this' }
}

type Found = { pair: Pair; difference: PathDifference }

async function firstOf(
  pairs: readonly Pair[],
  compare: (pair: Pair) => Promise<PathDifference | undefined>,
): Promise<Found | undefined> {
  for (const pair of pairs) {
    const difference = await compare(pair)
    if (difference) return { pair, difference }
  }
  return undefined
}

/** Layers with one digest are the same; only others are looked into. */
async function firstDifferenceOf(
  { layers }: BuildDeps,
  { before, now }: Pair,
  aspect: Aspect,
  epoch: number | undefined,
): Promise<PathDifference | undefined> {
  const [a, b] = [await layers.seal(before, undefined), await layers.seal(now, undefined)]
  if (a.diffID === b.diffID) return undefined
  return firstDifference(layers, { before, now }, aspect, epoch)
}

async function describe(
  { layers }: BuildDeps,
  { pair: { vertex, before, now }, difference: { path, how, kind } }: Found,
): Promise<BuildDifference> {
  const told = { step: vertex.name, path: `/${path}`, how, hint: HINTS[kind] }
  if (kind !== 'content') return { ...told, detail: [] }
  const [a, b] = [await layers.tree([before]), await layers.tree([now])]
  const { offset, lines } = await contentDifference(path, a, b)
  return { ...told, how: how.map((h) => (h === 'content' ? `content from byte ${offset}` : h)), detail: lines }
}

/** The steps of both builds, which have one plan. */
function pairsOf(first: Built, second: Built): Pair[] {
  const [a, b] = [topological(first.target), topological(second.target)]
  if (a.length !== b.length || a.some((v, i) => v.name !== b[i]!.name))
    throw new TsboxError('E_VERIFY', 'verify: the Dockerfile or a base image changed between the two builds')
  return a.flatMap((v, i) => {
    const [before, now] = [first.solver.ownLayers.get(v), second.solver.ownLayers.get(b[i]!)]
    return before && now ? [{ vertex: b[i]!, before, now }] : []
  })
}

/** The steps whose layers are those of the image. */
function chainOf(target: Vertex): Vertex[] {
  const out: Vertex[] = []
  for (let v: Vertex | undefined = target; v; v = v.inputs[0]) out.push(v)
  return out
}
