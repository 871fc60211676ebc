import { TsboxError } from '../../base/error.js'
import type { GitSource } from '../../base/git-url.js'
import { limiter } from '../../base/limit.js'
import { hashOf, opKey } from '../graph/key.js'
import { topological, type Vertex } from '../graph/vertex.js'
import { copyLayer } from '../ops/copy.js'
import { mkdirLayer } from '../ops/mkdir.js'
import { executorSalt, type RunInputs, runLayer, type StepFailed } from '../ops/run.js'
import type { BuildHost, FailedStep, FileTree, GitCommit, Layer, StepExecutor } from '../seams.js'
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
  readonly #keys = new Map<Vertex, Promise<string>>()
  readonly #results = new Map<Vertex, Promise<Solved>>()
  readonly #trees = new Map<Vertex, Promise<FileTree>>()
  readonly #contextLayers = new Map<Vertex, Promise<Solved>>()
  readonly #known = new Map<Vertex, Promise<string | undefined>>()
  readonly #ready = new Map<Vertex, Promise<boolean>>()
  /** Seconds since 1970 when the layer of a vertex was made. */
  readonly created = new Map<Vertex, number>()
  /** The layer that a vertex added itself. */
  readonly ownLayers = new Map<Vertex, Layer>()
  /** Outward keys that were found. */
  readonly knownKeys = new Map<Vertex, string>()
  /** The executor that ran a step. */
  readonly executors = new Map<Vertex, StepExecutor>()

  constructor(host: BuildHost, options: SolveOptions) {
    this.#host = host
    this.#options = options
    this.#signal = AbortSignal.any([options.signal, this.#failed.signal])
    this.#progress = new VertexProgress(host, this.#signal)
    this.#limit = limiter(options.jobs)
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
    const all = () => [...this.#results.values(), ...this.#keys.values(), ...this.#trees.values()]
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

  /** The vertex's outward key; executes only what must be executed to know it. */
  key(v: Vertex): Promise<string> {
    return memo(this.#keys, v, async () => {
      const key = await this.#findKey(v)
      this.knownKeys.set(v, key)
      return key
    })
  }

  /** The vertex's layers. */
  result(v: Vertex): Promise<Solved> {
    return memo(this.#results, v, async () => {
      const solved = await this.#findResult(v)
      this.knownKeys.set(v, solved.key)
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

  async #findKey(v: Vertex): Promise<string> {
    const { op } = v
    switch (op.kind) {
      case 'scratch':
      case 'image':
        return opKey(this.#host.sha256, op, [])
      case 'context':
        return this.#layeredContext(v).then((s) => s.key)
      case 'git':
        return (await this.#commit(v, op.source)).key
      case 'mkdir':
      case 'run':
        return opKey(this.#host.sha256, op, [await this.#executorSalt(v), ...(await this.#inputKeys(v))])
      case 'copy':
        return this.#copyKey(v)
    }
  }

  #inputKeys(v: Vertex): Promise<string[]> {
    return Promise.all(v.inputs.map((i) => this.key(i)))
  }

  /** A copy's outward key is that of what it copies; the definition key only finds it without reading anything. */
  async #copyKey(v: Vertex): Promise<string> {
    const definition = await this.#definitionKey(v)
    if (definition !== undefined && findable(v)) {
      const record = this.#host.cache.get(definition)
      if (record && this.#usable(record.key)) return record.key
    }
    return (await this.result(v)).key
  }

  /** Undefined where the sources are known by content only. */
  async #definitionKey(v: Vertex): Promise<string | undefined> {
    if (v.inputs.slice(1).some((i) => i.op.kind === 'context')) return undefined
    if (v.op.kind === 'copy' && v.op.sources.some((s) => s.from === 'http')) return undefined
    return hashOf(this.#host.sha256, { definition: opKey(this.#host.sha256, v.op, await this.#inputKeys(v)) })
  }

  #usable(key: string): boolean {
    const record = this.#host.cache.get(key)
    return record?.layer !== undefined && this.#host.layers.keep(record.layer)
  }

  async #findResult(v: Vertex): Promise<Solved> {
    const { op } = v
    switch (op.kind) {
      case 'scratch':
        return { key: await this.key(v), layers: [] }
      case 'image':
        return this.#progress.during(v, async () => ({ key: await this.key(v), layers: op.image.layers }), true)
      case 'context':
        return this.#layeredContext(v)
      case 'git':
        return this.#gitResult(v, op.source)
      case 'copy':
        return this.#copyResult(v)
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
    const key = await this.key(v)
    return this.#progress.during(v, async (output) => {
      output.started()
      const commit = await this.#commit(v, source)
      output.stdout(new TextEncoder().encode(`${commit.commit}${commit.name ? `\t${commit.name}` : ''}\n`))
      if (commit.cached) output.cached()
      return { key, layers: [await this.#host.git!.layer(source, commit, output.transfer)] }
    })
  }

  /** The vertex's key where no step must run to find it. */
  #knownKey(v: Vertex): Promise<string | undefined> {
    return memo(this.#known, v, async () => {
      if (v.inputs.length === 0) return this.key(v)
      if (v.op.kind === 'copy') {
        const definition = await this.#knownDefinition(v)
        const record = definition === undefined || !findable(v) ? undefined : this.#host.cache.get(definition)
        if (record && this.#usable(record.key)) return record.key
        return (await all(v.inputs, (i) => this.#isReady(i))) ? this.key(v) : undefined
      }
      if (!(await all(v.inputs, async (i) => (await this.#knownKey(i)) !== undefined))) return undefined
      const needsRoot = v.op.kind === 'run' && !v.op.shell
      return !needsRoot || (await this.#isReady(v.inputs[0]!)) ? this.key(v) : undefined
    })
  }

  async #knownDefinition(v: Vertex): Promise<string | undefined> {
    const known = await all(v.inputs, async (i) => i.op.kind !== 'context' && (await this.#knownKey(i)) !== undefined)
    return known ? this.#definitionKey(v) : undefined
  }

  /** Whether the vertex's layers can be had without running a step. */
  #isReady(v: Vertex): Promise<boolean> {
    return memo(this.#ready, v, async () => {
      if (v.inputs.length === 0) return true
      const key = v.noCache ? undefined : await this.#knownKey(v)
      if (v.op.kind === 'copy' && key === undefined) return all(v.inputs, (i) => this.#isReady(i))
      return key !== undefined && this.#usable(key) && this.#isReady(v.inputs[0]!)
    })
  }

  /** A run or mkdir: where its key is known it may need nothing; else all that it stands on starts at once. */
  async #keyedResult(v: Vertex): Promise<Solved> {
    const known = v.noCache ? undefined : await this.#knownKey(v)
    const base = v.inputs[0]!
    const hit = known === undefined ? undefined : await this.#hit(v, known)
    if (hit) return hit
    const inputs = await Promise.all(v.inputs.map((i) => this.result(i)))
    const key = await this.key(v)
    const late = v.noCache || known !== undefined ? undefined : await this.#hit(v, key)
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
      this.#remember(v, key, layer)
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

  async #copyResult(v: Vertex): Promise<Solved> {
    if (v.op.kind !== 'copy') throw new Error('not a copy')
    const op = v.op
    const base = v.inputs[0]!
    const early = findable(v) ? await this.#knownDefinition(v) : undefined
    const hit = early === undefined ? undefined : await this.#definitionHit(v, early)
    if (hit) return hit
    const [below, root, ...sources] = await Promise.all([
      this.result(base),
      this.tree(base),
      ...v.inputs.slice(1).map((i) => this.tree(i)),
    ])
    const baseKey = await this.key(base)
    const definition = await this.#definitionKey(v)
    const late =
      findable(v) && definition !== undefined && early === undefined
        ? await this.#definitionHit(v, definition)
        : undefined
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
      const before = v.noCache ? undefined : this.#cached(v, key)
      if (before) output.cached()
      else this.#remember(v, key, layer)
      if (definition !== undefined) this.#host.cache.put(definition, { key, created: this.#host.now() })
      return { key, layers: [...below.layers, before ?? layer] }
    })
  }

  /**
   * The vertex's outward key, and a copy's definition key, as far as no step must run to find them: for who keeps records
   * of what was solved.
   */
  async settledKeys(v: Vertex): Promise<{ key?: string | undefined; definition?: string | undefined }> {
    const key = await this.#settledKey(v)
    if (key === undefined || v.op.kind !== 'copy') return { key }
    return {
      key,
      definition: (await all(v.inputs, (i) => this.#isSettled(i))) ? await this.#definitionKey(v) : undefined,
    }
  }

  async #isSettled(v: Vertex): Promise<boolean> {
    return v.op.kind !== 'context' && (await this.#settledKey(v)) !== undefined
  }

  async #settledKey(v: Vertex): Promise<string | undefined> {
    const solved = this.#results.get(v)
    return solved ? (await solved).key : this.#knownKey(v)
  }

  async #definitionHit(v: Vertex, definition: string): Promise<Solved | undefined> {
    const key = this.#host.cache.get(definition)?.key
    return key === undefined ? undefined : this.#hit(v, key)
  }

  /** The cached result of a vertex under a key. */
  async #hit(v: Vertex, key: string): Promise<Solved | undefined> {
    const layer = this.#cached(v, key)
    if (!layer) return undefined
    const below = await this.result(v.inputs[0]!)
    this.#progress.cached(v)
    return { key, layers: [...below.layers, layer] }
  }

  /** A context used as a root of files (bind mounts): all of it as one layer. */
  #layeredContext(v: Vertex): Promise<Solved> {
    return memo(this.#contextLayers, v, async () => {
      const tree = await this.tree(v)
      const op = {
        kind: 'copy' as const,
        sources: [{ from: 'tree' as const, input: 1, path: '/' }],
        dest: '/',
        exclude: [],
        parents: false,
        link: true,
        unpack: 'none' as const,
      }
      const empty = await this.#host.layers.tree([])
      const { layer, contentHash } = await copyLayer(this.#host, op, empty, [tree], {
        reuse: true,
        signal: this.#signal,
      })
      return { key: hashOf(this.#host.sha256, { context: contentHash }), layers: [layer] }
    })
  }

  /** What the executor adds to the key; only an exec form can be anything but a step of the default one. */
  async #executorSalt(v: Vertex): Promise<string> {
    if (v.op.kind !== 'run' || v.op.shell) return ''
    const root = await this.tree(v.inputs[0]!)
    return executorSalt(this.#host, v.op, root)
  }

  #cached(v: Vertex, key: string): Layer | undefined {
    const record = this.#host.cache.get(key)
    if (!record?.layer || !this.#host.layers.keep(record.layer)) return undefined
    this.created.set(v, record.created)
    this.ownLayers.set(v, record.layer)
    return record.layer
  }

  #remember(v: Vertex, key: string, layer: Layer): void {
    const created = this.#host.now()
    this.#host.cache.put(key, { key, layer, created, title: v.name })
    this.created.set(v, created)
    this.ownLayers.set(v, layer)
  }
}

/** Whether a copy's definition may lead to a cached result without a look at what is copied. */
function findable(v: Vertex): boolean {
  return !v.noCache && !v.byContent
}

function warnOn(output: { stderr(chunk: Uint8Array): void }): (text: string) => void {
  return (text) => output.stderr(new TextEncoder().encode(`warning: ${text}`))
}

async function all(vertices: readonly Vertex[], test: (v: Vertex) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(vertices.map(test))).every((ok) => ok)
}

function memo<T>(map: Map<Vertex, Promise<T>>, v: Vertex, make: () => Promise<T>): Promise<T> {
  let made = map.get(v)
  if (!made) {
    made = make()
    // Whoever waits for it hears of the failure; one that nobody waits for any more must not end the process.
    made.catch(() => {})
    map.set(v, made)
  }
  return made
}
