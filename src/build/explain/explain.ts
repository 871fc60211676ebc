import { TsboxError } from '../../base/error.js'
import type { Vertex } from '../graph/vertex.js'
import type { ExplanationEvent } from '../progress/event.js'
import type { Layer, LayerService, StepExecutor } from '../seams.js'
import type { Outcome } from '../solve/vertex-progress.js'
import { alignSteps } from './align.js'
import { describeChanges, layerChanges, type PathChange } from './listing-diff.js'
import { change, operationChanges } from './operation-diff.js'
import type { BuildRecord, StepRecord } from './record.js'

/** Changed paths that one sentence names. */
const PATHS = 5
/** Characters of the name of another step. */
const NAME = 80
/** Changes in steps below that are named. */
const INHERITED = 4

/** A step of the build that is explained: what became of it, beside its record. */
export interface ExplainedStep {
  vertex: Vertex
  /** Absent for a step that nothing asked for. */
  outcome?: Outcome | undefined
  executor?: StepExecutor | undefined
  /** The cache that its result was imported from. */
  origin?: string | undefined
}

/** What an explanation is made of. */
export interface ExplainInput {
  /** In the order of `now.steps`. */
  steps: readonly ExplainedStep[]
  now: BuildRecord
  /** The last build of the same Dockerfile and target. */
  before?: BuildRecord | undefined
  layers: Pick<LayerService, 'entries' | 'tree' | 'keep'>
  /** How many executors there were to choose from. */
  executors: number
  /** Whether no step at all may come from the cache. */
  noCache: boolean
}

/** Why a step ran, or why it did not. */
export type Explanation = Pick<ExplanationEvent, 'outcome' | 'executor' | 'reasons'>

/**
 * Says of each step why it ran or was cached, compared with an earlier build.
 *
 * @returns by index of the step; contexts and the empty root are not explained
 */
export async function explainSteps(input: ExplainInput): Promise<Map<number, Explanation>> {
  const explainer = new Explainer(input)
  const out = new Map<number, Explanation>()
  for (const [i, { op }] of input.now.steps.entries())
    if (!['context', 'git', 'scratch'].includes(op.kind)) out.set(i, await explainer.explain(i))
  return out
}

/** A change in a step below. */
interface Cause {
  /** Which step, as the beginning of a sentence. */
  where: string
  cause: string
}

class Explainer {
  readonly #in: ExplainInput
  readonly #earlier: Map<number, number>
  readonly #files = new Map<string, Promise<PathChange[] | undefined>>()

  constructor(input: ExplainInput) {
    this.#in = input
    this.#earlier = input.before ? alignSteps(input.now, input.before) : new Map()
  }

  async explain(i: number): Promise<Explanation> {
    const { outcome, executor } = this.#in.steps[i]!
    const step = this.#in.now.steps[i]!
    if (outcome === undefined)
      return { outcome: 'unneeded', reasons: ['nothing asked for it: a cached step took its place'] }
    if (step.op.kind === 'image') return { outcome, reasons: this.#imageReasons(i) }
    if (outcome === 'cached') return { outcome, reasons: this.#cachedReasons(i) }
    if (outcome === 'canceled')
      return { outcome, reasons: ['a step that it needs or that ran beside it failed, or the build was ended'] }
    const reasons = await this.#ranReasons(i)
    return { outcome, reasons, ...(executor ? { executor: this.#executorText(executor, i) } : {}) }
  }

  #executorText(executor: StepExecutor, i: number): string {
    const { op } = this.#in.now.steps[i]!
    const wasi = executor.id === 'wasi'
    const isShell = executor.keySalt.startsWith('wasi-shell')
    const name = wasi ? '[wasi]' : executor.id === 'namespace' ? 'namespaces' : executor.id
    if (this.#in.executors === 1 || (isShell && this.#in.executors === 2))
      return `${name} (the only backend that was asked for)`
    if (isShell) return `${name} (its command is for a shell, and this machine has no namespaces)`
    if (wasi) return `${name} (its program is a WebAssembly module)`
    return `${name} (${op.shell === true ? 'its command is for a shell' : 'its program is no WebAssembly module'})`
  }

  #imageReasons(i: number): string[] {
    const [now, was] = [this.#in.now.steps[i]!, this.#before(i)]
    if (!was) return [this.#in.before ? 'the last build had no such image' : 'no earlier build to compare with']
    const digests = [was, now].map((s) => shortDigest(s.op.digest))
    return [digests[0] === digests[1] ? `the same image, ${digests[1]}` : `another image: ${digests.join(' → ')}`]
  }

  #cachedReasons(i: number): string[] {
    const [now, was] = [this.#in.now.steps[i]!, this.#before(i)]
    const { origin } = this.#in.steps[i]!
    if (origin !== undefined && was?.key !== now.key) return [`it was imported from ${origin}`]
    if (!was) return ['an earlier build made it from the same inputs']
    if (was.key !== now.key) return ['not as in the last build, but an earlier one made it from the same inputs']
    const rerun = now.inputs
      .slice(1)
      .filter((n) => this.#in.steps[n]!.outcome === 'ran' && this.#in.now.steps[n]!.op.kind !== 'context')
    if (rerun.length) return rerun.map((n) => `${this.#name(n)} ran anew and gave the same files`)
    return ['nothing that it depends on has changed']
  }

  /** Why a step was executed. */
  async #ranReasons(i: number): Promise<string[]> {
    const [now, was] = [this.#in.now.steps[i]!, this.#before(i)]
    const { vertex } = this.#in.steps[i]!
    const reasons = vertex.noCache ? [this.#in.noCache ? '--no-cache' : '--no-cache-filter'] : []
    if (!this.#in.before) return [...reasons, 'no earlier build of this Dockerfile and target is known']
    if (!was) return [...reasons, 'no earlier build of this step']
    const changes = await this.#causes(i)
    if (changes.length) return [...reasons, ...changes]
    if (was.failed) return [...reasons, 'it failed in the last build']
    if (reasons.length) return [...reasons, 'nothing that it depends on has changed']
    if (was.key === undefined) return ['the last build did not come so far']
    if (fetches(now)) return ['it is fetched at each build; its files are the same']
    if (was.key === now.key) return ['nothing has changed, but its cached layer is no longer in the store (pruned)']
    if (!was.layer || !this.#in.layers.keep(was.layer))
      return ['its files may have changed: those of the last build are no longer in the store (pruned)']
    return ['something below it has changed']
  }

  /** Causes of its own, then those of what it stands on and takes from, the nearest first, each once. */
  async #causes(i: number): Promise<string[]> {
    const own = await this.#ownCauses(i)
    const texts = new Set(own)
    const inherited: string[] = []
    for (const n of this.#deciding(i))
      for (const { where, cause } of await this.#inputCauses(i, n, 'it')) {
        // A variable or a user changes many steps: it is told of the nearest one.
        if (!texts.has(cause)) inherited.push(`${where}${cause}`)
        texts.add(cause)
      }
    const more = inherited.length - INHERITED
    return [...own, ...inherited.slice(0, INHERITED), ...(more > 0 ? [`${more} more changes below that`] : [])]
  }

  /** Positions of the inputs whose change changes the step. A copy counts by its files, whatever they come from. */
  #deciding(i: number): number[] {
    const { op, inputs } = this.#in.now.steps[i]!
    return op.kind === 'copy' ? [0] : inputs.map((_, n) => n)
  }

  async #ownCauses(i: number): Promise<string[]> {
    const [now, was] = [this.#in.now.steps[i]!, this.#before(i)!]
    const out = operationChanges(now, was, this.#in.steps[i]!.vertex.argNames ?? [])
    const files = now.op.kind === 'copy' ? await this.#fileChanges(i) : undefined
    if (files?.length) out.push(`${this.#giver(now)}other files: ${describeChanges(files, PATHS)}`)
    return out
  }

  /** What a copy takes from, unless it is a build context. */
  #giver({ inputs }: StepRecord): string {
    const from = inputs[1] === undefined ? undefined : this.#in.now.steps[inputs[1]]
    if (from?.op.kind === 'image') return `image ${String(from.op.reference)} gave `
    return from?.stage ? `stage ${from.stage} gave ` : ''
  }

  /**
   * Why the n-th input of a step is not what it was; empty where it is.
   *
   * @param subject how the step is called
   */
  async #inputCauses(i: number, n: number, subject: string): Promise<Cause[]> {
    const [now, was] = [this.#in.now.steps[i]!, this.#before(i)!]
    const [input, old] = [now.inputs[n]!, was.inputs[n]]
    if (old === undefined) return [{ where: '', cause: `${subject} takes files from ${this.#name(input)}, too` }]
    const [fresh, earlier] = [this.#in.now.steps[input]!, this.#in.before!.steps[old]!]
    if (fresh.key !== undefined && fresh.key === earlier.key) return []
    if (fresh.op.kind === 'image' && earlier.op.kind === 'image')
      return imageChange(fresh, earlier).map((cause) => ({ where: '', cause }))
    if (this.#earlier.get(input) !== old) {
      const cause = `${subject} stands on ${this.#name(input)} now, not on ${earlier.name || earlier.op.kind}`
      return [{ where: '', cause }]
    }
    const mounted = fresh.name === '' && fresh.op.kind === 'copy'
    const name = mounted ? `what ${subject} mounts of the build context` : `${this.#name(input)} above`
    const own = await this.#ownCauses(input)
    const out = own.map((cause): Cause => ({ where: `${name} has changed: `, cause }))
    for (const below of this.#deciding(input)) out.push(...(await this.#inputCauses(input, below, name)))
    return out
  }

  /** Paths that a copy put there and the earlier one did not, and the other way round; undefined where unknown. */
  #fileChanges(i: number): Promise<PathChange[] | undefined> {
    const [a, b] = [this.#before(i)?.layer, this.#in.now.steps[i]!.layer]
    if (!a || !b) return Promise.resolve(undefined)
    const key = `${JSON.stringify(a)} ${JSON.stringify(b)}`
    let found = this.#files.get(key)
    if (!found) {
      const same = a.diffID !== undefined && a.diffID === b.diffID
      const there = () => this.#in.layers.keep(a) && this.#in.layers.keep(b)
      found = same ? Promise.resolve([]) : there() ? this.#compare(a, b) : Promise.resolve(undefined)
      this.#files.set(key, found)
    }
    return found
  }

  /** Undefined where the files can't be read: this is no reason to fail. */
  async #compare(a: Layer, b: Layer): Promise<PathChange[] | undefined> {
    try {
      return await layerChanges(this.#in.layers, a, b)
    } catch (err) {
      if (err instanceof TsboxError) return undefined
      throw err
    }
  }

  #before(i: number): StepRecord | undefined {
    const at = this.#earlier.get(i)
    return at === undefined ? undefined : this.#in.before!.steps[at]
  }

  #name(i: number): string {
    const { name, op } = this.#in.now.steps[i]!
    if (name !== '') return name.length > NAME ? `${name.slice(0, NAME)}…` : name
    return op.kind === 'image' ? `image ${String(op.reference)}` : op.kind
  }
}

function imageChange(now: StepRecord, was: StepRecord): string[] {
  const [a, b] = [String(was.op.reference), String(now.op.reference)]
  const digests = [was, now].map((s) => shortDigest(s.op.digest))
  if (a !== b) return [`base image ${a} ${digests[0]} → ${b} ${digests[1]}`]
  return digests[0] === digests[1] ? [] : [`base image ${a} ${change(digests[0]!, digests[1]!)}`]
}

function shortDigest(digest: unknown): string {
  const [, algorithm, hex] = /^(\w+):([0-9a-f]{12})[0-9a-f]+$/.exec(String(digest)) ?? []
  return hex === undefined ? String(digest) : `${algorithm}:${hex}`
}

function fetches({ op }: StepRecord): boolean {
  return Array.isArray(op.sources) && op.sources.some((s: { from?: string }) => s.from === 'http' || s.from === 'git')
}
