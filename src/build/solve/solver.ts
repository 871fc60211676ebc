import { TsboxError } from '../../base/error.js'
import type { GitSource } from '../../base/git-url.js'
import { limiter } from '../../base/limit.js'
import { hashOf } from '../graph/key.js'
import { type CopyOp, topological, type Vertex } from '../graph/vertex.js'
import { copyLayer } from '../ops/copy.js'
import { mkdirLayer } from '../ops/mkdir.js'
import { type RunInputs, runLayer, type StepFailed } from '../ops/run.js'
import type { BuildHost, FailedStep, FileTree, GitCommit, Layer, StepExecutor } from '../seams.js'
import { contextLayer } from './context-layer.js'
import { findable, KeyFinder } from './key-finder.js'
import { LayerRecords } from './layer-records.js'
import { memo } from './memo.js'
import { type Outcome, VertexProgress, type WorkProgress } from './vertex-progress.js'

/** What a layered vertex yields: its outward key, the layers up to it, and when its own layer was made. */
export interface Solved {
  key: string
  layers: readonly Layer[]
}

export interface SolveOptions {
  /** Steps that may execute at once. */
  jobs: number
  signal: AbortSignal
  run: RunInputs
  /** Hears of the first RUN that fails, once nothing else runs and while the step can still be looked at. */
  onFailure?: ((failure: StepFailure) => Promise<void>) | undefined
}

/** A RUN that failed. */
export interface StepFailure {
  error: StepFailed
  /** Absent where what ran the step can't show it. */
  openShell?: (() => Promise<void>) | undefined
}

/**
 * Executes what a target needs and nothing else, independent vertices at once. Keys are found before results: a vertex
 * whose key has a record is never executed, nor is anything only it would have needed.
 */
export class Solver {
  readonly #host: BuildHost
  readonly #options: SolveOptions
  readonly #progress: VertexProgress
  readonly #limit: ReturnType<typeof limiter>
  /** Ends the steps beside one that failed. */
  readonly #failed = new AbortController()
  /** What the build fails with, where that was shown before it failed. */
  #shown: StepFailed | undefined
  readonly #signal: AbortSignal
  readonly #results = new Map<Vertex, Promise<Solved>>()
  readonly #trees = new Map<Vertex, Promise<FileTree>>()
  readonly #contextLayers = new Map<Vertex, Promise<Solved>>()
  readonly #records: LayerRecords
  readonly #keys: KeyFinder
  /** The executor that ran a step. */
  readonly executors = new Map<Vertex, StepExecutor>()

  constructor(host: BuildHost, options: SolveOptions) {
    this.#host = host
    this.#options = options
    this.#signal = AbortSignal.any([options.signal, this.#failed.signal])
    this.#progress = new VertexProgress(host, this.#signal)
    this.#limit = limiter(options.jobs)
    this.#records = new LayerRecords(host)
    this.#keys = new KeyFinder(host, this.#records, {
      resultKey: async (v) => (await this.result(v)).key,
      startedKey: (v) => this.#results.get(v)?.then(({ key }) => key),
      tree: (v) => this.tree(v),
      commit: (v, source) => this.#commit(v, source),
    })
  }

  /**
   * Layers of `target`, executing what has no cached result. The first failure ends whatever else runs, and rejects once
   * nothing does.
   */
  async solve(target: Vertex): Promise<Solved> {
    this.#progress.announce(topological(target))
    try {
      return await this.result(target)
    } catch (err) {
      this.#failed.abort()
      await this.#settle()
      this.#progress.giveUp(topological(target))
      throw this.#shown ?? err
    }
  }

  /** Waits for all that is under way, and for what that leads to. */
  async #settle(): Promise<void> {
    const all = () => [...this.#results.values(), ...this.#keys.underWay, ...this.#trees.values()]
    for (let seen = -1; all().length !== seen; ) {
      seen = all().length
      await Promise.allSettled(all())
    }
  }

  /** How the vertices that came to an end did. */
  get outcomes(): ReadonlyMap<Vertex, Outcome> {
    return this.#progress.outcomes
  }

  /** Number of a vertex in progress events; undefined for one that is not shown. */
  idOf(v: Vertex): number | undefined {
    return this.#progress.idOf(v)
  }

  /** Seconds since 1970 when the layer of a vertex was made. */
  get created(): ReadonlyMap<Vertex, number> {
    return this.#records.created
  }

  /** The layer that a vertex added itself. */
  get ownLayers(): ReadonlyMap<Vertex, Layer> {
    return this.#records.own
  }

  /** Outward keys that were found. */
  get knownKeys(): ReadonlyMap<Vertex, string> {
    return this.#keys.found
  }

  /** See {@link KeyFinder.settled}. */
  settledKeys(...[v, bySources]: Parameters<KeyFinder['settled']>): ReturnType<KeyFinder['settled']> {
    return this.#keys.settled(v, bySources)
  }

  /** The vertex's layers. */
  result(v: Vertex): Promise<Solved> {
    return memo(this.#results, v, async () => {
      const solved = await this.#findResult(v)
      this.#keys.found.set(v, solved.key)
      return solved
    })
  }

  /** Files of a vertex: a context as it is, layers merged. */
  tree(v: Vertex): Promise<FileTree> {
    return memo(this.#trees, v, async () => {
      if (v.op.kind === 'context') return this.#contextTree(v, v.op.name)
      return this.#host.layers.tree((await this.result(v)).layers)
    })
  }

  async #contextTree(v: Vertex, name: string): Promise<FileTree> {
    return this.#progress.during(v, async () => {
      const tree = await this.#host.context(name)
      if (!tree) throw new Error(`no context "${name}"`)
      return tree
    })
  }

  async #findResult(v: Vertex): Promise<Solved> {
    const { op } = v
    switch (op.kind) {
      case 'scratch':
        return { key: await this.#keys.key(v), layers: [] }
      case 'image':
        return this.#progress.during(v, async () => ({ key: await this.#keys.key(v), layers: op.image.layers }), true)
      case 'context':
        return this.#layeredContext(v)
      case 'git':
        return this.#gitResult(v, op.source)
      case 'copy':
        return this.#copyResult(v, op)
      default:
        return this.#keyedResult(v)
    }
  }

  /** What a git source means; a failure is the vertex's own. */
  async #commit(v: Vertex, source: GitSource): Promise<GitCommit> {
    try {
      if (!this.#host.git) throw new TsboxError('E_UNSUPPORTED', 'add: there is no network to fetch repositories from')
      return await this.#host.git.resolve(source)
    } catch (err) {
      return this.#progress.during(v, () => Promise.reject(err))
    }
  }

  async #gitResult(v: Vertex, source: GitSource): Promise<Solved> {
    const key = await this.#keys.key(v)
    return this.#progress.during(v, async (output) => {
      output.started()
      const commit = await this.#commit(v, source)
      output.stdout(new TextEncoder().encode(`${commit.commit}${commit.name ? `\t${commit.name}` : ''}\n`))
      if (commit.cached) output.cached()
      return { key, layers: [await this.#host.git!.layer(source, commit, output.transfer)] }
    })
  }

  /** A run or mkdir: where its key is known it may need nothing; else all that it stands on starts at once. */
  async #keyedResult(v: Vertex): Promise<Solved> {
    const known = v.noCache ? undefined : await this.#keys.known(v)
    const base = v.inputs[0]!
    const hit = known && (await this.#hit(v, known.key))
    if (hit) return hit
    const inputs = await Promise.all(v.inputs.map((i) => this.result(i)))
    const key = await this.#keys.key(v)
    const late = v.noCache || known?.key === key ? undefined : await this.#hit(v, key)
    if (late) return late
    const trees = await this.tree(base)
    return this.#progress.during(v, async (output) => {
      const layer = await this.#limit(() => {
        this.#signal.throwIfAborted()
        output.started()
        if (v.op.kind === 'mkdir')
          return mkdirLayer(this.#host, v.op, trees, { reuse: !v.noCache, warn: warnOn(output) })
        if (v.op.kind !== 'run') throw new Error(`no key for ${v.op.kind}`)
        const layers = inputs.map((i) => i.layers)
        return runLayer(this.#host, v, v.op, {
          layers,
          root: trees,
          output,
          signal: this.#signal,
          inputs: this.#options.run,
          chosen: (executor) => this.executors.set(v, executor),
          onFailure: this.#options.onFailure && ((error, failed) => this.#show(v, output, error, failed)),
        })
      })
      this.#records.put(v, key, layer)
      return { key, layers: [...inputs[0]!.layers, layer] }
    })
  }

  /** Stops everything else, then shows the step. Of steps that fail at once the first is shown. */
  async #show(v: Vertex, output: WorkProgress, error: StepFailed, failed: FailedStep | undefined): Promise<void> {
    if (this.#signal.aborted) return
    this.#shown = error
    output.failed(error)
    this.#failed.abort()
    await this.#progress.others(v)
    const openShell = failed && (() => failed.openShell(this.#options.signal))
    await this.#options.onFailure!({ error, openShell })
  }

  async #copyResult(v: Vertex, op: CopyOp): Promise<Solved> {
    const base = v.inputs[0]!
    const early = findable(v) ? (await this.#keys.knownDefinition(v))?.key : undefined
    const hit = early === undefined ? undefined : await this.#definitionHit(v, early)
    if (hit) return hit
    const [below, root, ...sources] = await Promise.all([
      this.result(base),
      this.tree(base),
      ...v.inputs.slice(1).map((i) => this.tree(i)),
    ])
    const baseKey = await this.#keys.key(base)
    const definition = await this.#keys.definition(v)
    const isNew = definition !== undefined && definition !== early
    const late = findable(v) && isNew ? await this.#definitionHit(v, definition) : undefined
    if (late) return late
    return this.#progress.during(v, async (output) => {
      output.started()
      const { layer, contentHash } = await copyLayer(this.#host, op, root, sources, {
        reuse: !v.noCache,
        signal: this.#signal,
        warn: warnOn(output),
        transfer: output.transfer,
      })
      const key = hashOf(this.#host.sha256, { copy: contentHash, base: baseKey })
      const before = v.noCache ? undefined : this.#records.take(v, key)
      if (before) output.cached()
      else this.#records.put(v, key, layer)
      if (definition !== undefined) this.#host.cache.put(definition, { key, created: this.#host.now() })
      return { key, layers: [...below.layers, before ?? layer] }
    })
  }

  async #definitionHit(v: Vertex, definition: string): Promise<Solved | undefined> {
    const key = this.#host.cache.get(definition)?.key
    return key === undefined ? undefined : this.#hit(v, key)
  }

  /** The cached result of a vertex under a key. */
  async #hit(v: Vertex, key: string): Promise<Solved | undefined> {
    const layer = this.#records.take(v, key)
    if (!layer) return undefined
    const below = await this.result(v.inputs[0]!)
    this.#progress.cached(v)
    return { key, layers: [...below.layers, layer] }
  }

  /** A context used as a root of files (bind mounts): all of it as one layer. */
  #layeredContext(v: Vertex): Promise<Solved> {
    return memo(this.#contextLayers, v, async () => {
      const tree = await this.tree(v)
      const { layer, contentHash } = await contextLayer(this.#host, tree, this.#signal)
      return { key: hashOf(this.#host.sha256, { context: contentHash }), layers: [layer] }
    })
  }
}

function warnOn(output: { stderr(chunk: Uint8Array): void }): (text: string) => void {
  return (text) => output.stderr(new TextEncoder().encode(`warning: ${text}`))
}
