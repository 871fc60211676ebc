import type { Explanation } from '../../build/explain/explain.js'
import { topological, type Vertex } from '../../build/graph/vertex.js'
import type { ProgressSink } from '../../build/progress/event.js'
import type { LayerService } from '../../build/seams.js'
import type { BuildGraph, BuildGraphNode, BuildOutcome, BuildRequest } from '../api.js'
import type { BuildDeps, RunBuild } from './build-engine.js'
import type { SolvedBuild } from './step-memory.js'

/** Builds a request and gives its `onGraph` the graph, also where the build failed after its plan was made. */
export async function withGraph(
  deps: BuildDeps,
  request: BuildRequest,
  progress: ProgressSink,
  build: RunBuild,
): Promise<BuildOutcome> {
  const recorder = new GraphRecorder()
  let solved: SolvedBuild | undefined
  try {
    return await build(deps, request, recorder.listen(progress), (b) => {
      solved = b
    })
  } finally {
    if (solved) request.onGraph?.(await recorder.finish(request, solved, deps.layers))
  }
}

/** Listens to a build and draws up its graph at the end. */
class GraphRecorder {
  readonly #startedMs = Date.now()
  readonly #times = new Map<number, { startedMs?: number; endedMs?: number }>()
  readonly #reasons = new Map<number, Explanation>()

  /** Passes events on, keeping those that are of interest. */
  listen(sink: ProgressSink): ProgressSink {
    return (event) => {
      if (event.type === 'start') this.#time(event.id).startedMs = event.time
      if (event.type === 'done') this.#time(event.id).endedMs = event.time
      if (event.type === 'explanation') this.#reasons.set(event.id, event)
      sink(event)
    }
  }

  async finish(
    { target }: BuildRequest,
    { target: vertex, solver }: SolvedBuild,
    layers: LayerService,
  ): Promise<BuildGraph> {
    const file = topological(vertex).find((v) => v.location)?.location?.file ?? 'Dockerfile'
    const shown = topological(vertex).filter((v) => v.op.kind !== 'scratch' && !isMountedPart(v))
    const indexes = new Map(shown.map((v, i) => [v, i]))
    const nodes: BuildGraphNode[] = []
    for (const v of shown) {
      const base = v.inputs[0] && indexes.get(v.inputs[0])
      nodes.push({ ...(await this.#node(v, solver, layers)), inputs: inputsOf(v, indexes), base })
    }
    return { file, target, startedMs: this.#startedMs, endedMs: Date.now(), nodes }
  }

  #time(id: number): { startedMs?: number; endedMs?: number } {
    const times = this.#times.get(id) ?? {}
    this.#times.set(id, times)
    return times
  }

  async #node(v: Vertex, solver: SolvedBuild['solver'], layers: LayerService): Promise<Omit<BuildGraphNode, 'inputs'>> {
    const id = solver.idOf(v)
    const outcome = solver.outcomes.get(v)
    const { startedMs, endedMs } = (outcome !== undefined && id !== undefined && this.#times.get(id)) || {}
    return {
      kind: (v.op.kind === 'git' ? 'context' : v.op.kind) as BuildGraphNode['kind'],
      // An image may be the base of several stages.
      stage: v.op.kind === 'image' ? undefined : v.stage,
      title: titleOf(v),
      source: sourceOf(v),
      line: v.location?.line,
      state: outcome ?? 'unneeded',
      startedMs,
      endedMs,
      sizeBytes: await sizeOf(v, solver, layers),
      executor: solver.executors.get(v)?.id,
      reasons: id === undefined ? undefined : this.#reasons.get(id)?.reasons,
    }
  }
}

/** What of a context a step mounts has no name: the line leads from the context itself. */
function isMountedPart(v: Vertex): boolean {
  return v.op.kind === 'copy' && v.name === ''
}

function inputsOf(v: Vertex, indexes: ReadonlyMap<Vertex, number>): number[] {
  const direct = v.inputs.flatMap((i) => (isMountedPart(i) ? i.inputs : [i]))
  return [...new Set(direct.map((i) => indexes.get(i)).filter((i) => i !== undefined))]
}

function titleOf({ name, op }: Vertex): string {
  if (name === '') return op.kind === 'image' ? op.reference : op.kind
  if (op.kind === 'context') return op.name === '' ? 'build context' : `context ${op.name}`
  return name.replace(/^\[[^\]]*\d+\/\d+\] /, '')
}

function sourceOf({ location }: Vertex): string {
  if (!location?.text) return ''
  return location.text
    .split('\n')
    .slice(location.line - 1, location.endLine ?? location.line)
    .join('\n')
}

async function sizeOf(v: Vertex, solver: SolvedBuild['solver'], layers: LayerService): Promise<number | undefined> {
  if (v.op.kind === 'image') {
    const sizes = v.op.image.layers.map((l) => l.descriptor?.size)
    return sizes.every((s) => s !== undefined) ? sizes.reduce((sum, s) => sum + s, 0) : undefined
  }
  const layer = solver.ownLayers.get(v)
  if (!layer || !layers.keep(layer)) return undefined
  return (await layers.entries(layer)).reduce((sum, e) => sum + e.size, 0)
}
