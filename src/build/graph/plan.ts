import { TsboxError, withLocation } from '../../base/error.js'
import { platformOf } from '../../oci/image-config.js'
import { parsePlatform } from '../../oci/platform.js'
import { expandInstruction } from '../dockerfile/expand-instruction.js'
import type { Dockerfile, Stage, StageInstruction } from '../dockerfile/instruction.js'
import { parseInstruction } from '../dockerfile/parse.js'
import { expandWord } from '../dockerfile/shell-lex.js'
import { dispatch } from './dispatch.js'
import type { DispatchContext } from './dispatch-context.js'
import { evaluateMetaArgs, platformArgs } from './meta-args.js'
import { locationOf, type PlanOptions } from './plan-options.js'
import { PlanSources } from './plan-sources.js'
import { vertexNamer } from './run-step.js'
import { StageNames } from './stage-names.js'
import { StageState } from './stage-state.js'
import { titleOf } from './title.js'
import type { Op, Vertex } from './vertex.js'

/** A planned target: the vertex to solve and what its image will say. */
export interface Plan {
  target: Vertex
  state: StageState
}

/**
 * Turns a Dockerfile into the graph of one target. Base images are resolved on the way (their configuration decides
 * what follows), stages that the target does not need are not looked at.
 *
 * @throws TsboxError E_DOCKERFILE with a location, and whatever `resolveImage` throws
 */
export async function planBuild(file: Dockerfile, options: PlanOptions): Promise<Plan> {
  const planner = new Planner(file, options)
  planner.checkNoCacheStages()
  const index = planner.findTarget()
  const state = await planner.stage(index)
  if (Object.keys(options.labels).length) state.config.Labels = { ...state.config.Labels, ...options.labels }
  return { target: state.vertex, state }
}

class Planner {
  readonly #file: Dockerfile
  readonly #options: PlanOptions
  readonly #metaArgs: Map<string, string | undefined>
  readonly #states = new Map<number, Promise<StageState>>()
  readonly #names: StageNames
  readonly #sources: PlanSources
  /** Stages being planned, outermost first: a stage that needs one of them needs itself. */
  readonly #path: number[]

  constructor(file: Dockerfile, options: PlanOptions, parent?: Planner, index?: number) {
    this.#file = file
    this.#options = options
    this.#metaArgs = parent ? parent.#metaArgs : evaluateMetaArgs(file, options)
    this.#path = parent && index !== undefined ? [...parent.#path, index] : []
    this.#names = parent ? parent.#names : new StageNames(file.stages, options)
    this.#sources = parent ? parent.#sources : new PlanSources(options, this.#names)
    if (parent) this.#states = parent.#states
  }

  findTarget(): number {
    const { target } = this.#options
    return target === undefined || target === '' ? this.#file.stages.length - 1 : this.#names.target(target)
  }

  /** @throws TsboxError E_DOCKERFILE for one that the Dockerfile has not */
  checkNoCacheStages(): void {
    for (const stage of this.#options.noCacheStages ?? []) this.#names.target(stage)
  }

  /**
   * Whether results of a vertex of the stage being planned may come from the cache. What stands on something that is made
   * anew is made anew too, up to the next copy: that one counts by what it copies.
   */
  #freshness(op: Op, inputs: readonly Vertex[]): Pick<Vertex, 'noCache' | 'byContent'> {
    const stage = this.#path.at(-1)
    const listed = (this.#options.noCacheStages ?? []).some((name) => this.#names.target(name) === stage)
    if (this.#options.noCache || listed || inputs[0]?.noCache) return { noCache: true }
    const anew = inputs.slice(1).some((i) => i.noCache)
    return op.kind === 'copy' && anew ? { noCache: false, byContent: true } : { noCache: anew }
  }

  stage(index: number): Promise<StageState> {
    if (this.#path.includes(index)) {
      const stage = this.#file.stages[index]!
      const name = stage.name || String(index)
      return Promise.reject(
        new TsboxError('E_DOCKERFILE', `circular dependency detected on stage: ${name}`, {
          location: locationOf(this.#file, stage.location),
          hint: `stage "${name}" takes files from itself, directly or through another stage`,
        }),
      )
    }
    let state = this.#states.get(index)
    if (!state || this.#cyclic(index)) {
      state = new Planner(this.#file, this.#options, this, index).#plan(index)
      state.catch(() => {})
      this.#states.set(index, state)
    }
    return state
  }

  /** Whether planning the stage anew finds a circle that awaiting its state would only hang on. */
  #cyclic(index: number): boolean {
    const seen = new Set<number>()
    const reaches = (from: number): boolean => {
      if (this.#path.includes(from)) return true
      if (seen.has(from)) return false
      seen.add(from)
      return this.#names.dependencies(from).some(reaches)
    }
    return this.#names.dependencies(index).some(reaches)
  }

  async #plan(index: number): Promise<StageState> {
    const stage = this.#file.stages[index]!
    const state = await this.#at(stage.location, () => this.#base(stage, index))
    const triggers = this.#triggers(stage, state)
    const instructions = [...triggers, ...stage.instructions]
    const total = 1 + instructions.filter((i) => ['run', 'copy', 'add', 'workdir'].includes(i.type)).length
    const label = stage.name || (this.#file.stages.length > 1 ? `stage-${index}` : '')
    const name = vertexNamer(label, total)
    this.#nameBase(state, name, label)
    for (const i of instructions) await this.#at(i.location, () => this.#dispatch(i, state, { name, label }))
    return state
  }

  async #dispatch(
    i: StageInstruction,
    state: StageState,
    { name, label }: { name: (text: string) => string; label: string },
  ): Promise<void> {
    const env = (key: string) => state.env.get(key)
    const options = { escape: this.#file.escape }
    const context: DispatchContext = {
      options: this.#options,
      metaArgs: this.#metaArgs,
      source: (from) => this.#source(from),
      vertex: (op, inputs, title) => ({
        op,
        inputs,
        name: title === '' ? '' : name(title),
        location: locationOf(this.#file, i.location),
        ...this.#freshness(op, inputs),
        stage: label,
        argNames: [...state.buildArgs.keys()],
      }),
      title: (instruction) => titleOf(instruction, env, options),
      expand: (word) => expandWord(word, env, options),
    }
    await dispatch(expandInstruction(i, env, options), state, context)
  }

  #nameBase(state: StageState, name: (text: string) => string, stage: string): void {
    const { op } = state.vertex
    const title = name(op.kind === 'image' ? `FROM ${op.reference}` : 'FROM')
    if (op.kind === 'image' && state.vertex.name === '') Object.assign(state.vertex, { name: title, stage })
  }

  async #base(stage: Stage, index: number): Promise<StageState> {
    const lookup = (key: string) => this.#metaArgs.get(key) ?? platformArgs(this.#options).get(key)
    const options = { escape: this.#file.escape }
    const base = expandWord(stage.base, lookup, options)
    if (base === '')
      throw new TsboxError('E_DOCKERFILE', `base name (${stage.base}) should not be blank`, {
        hint: 'declare the ARG above the first FROM and give it a value, or pass --build-arg',
      })
    const wanted = expandWord(stage.platform, lookup, options)
    const platform = wanted === '' ? this.#options.platform : parsePlatform(wanted, this.#options.platform)
    const replaced = this.#options.namedContext(base)
    const parent = this.#names.base(index, base)
    if (parent !== undefined) return StageState.fromStage(await this.stage(parent))
    if (replaced?.kind === 'files') return StageState.fromImage(this.#sources.context(base), platform, undefined)
    if (base === 'scratch' && !replaced)
      return StageState.fromImage(
        { op: { kind: 'scratch' }, inputs: [], name: '', noCache: false },
        // As in BuildKit: what nothing was taken from is for the platform that is built for.
        this.#options.platform,
        undefined,
      )
    if (!replaced) this.#names.refuseLater(base, index)
    const reference = replaced?.kind === 'image' ? replaced.reference : base
    const vertex = await this.#sources.image(reference, platform)
    const image = vertex.op.kind === 'image' ? vertex.op.image : undefined
    // An image of another platform than the one asked for says so itself.
    const own = image ? platformOf(image.config) : platform
    return StageState.fromImage(vertex, own, image?.config)
  }

  async #source(from: string): Promise<Vertex> {
    const index = from === '' ? undefined : this.#names.source(from)
    return index === undefined ? this.#sources.other(from) : (await this.stage(index)).vertex
  }

  /** Instructions that the base asked for with ONBUILD; they run once and are not passed on. */
  #triggers(stage: Stage, state: StageState): StageInstruction[] {
    const lines = state.config.OnBuild ?? []
    delete state.config.OnBuild
    return lines.map((text) => ({
      ...parseInstruction(text),
      location: stage.location,
      onbuild: true,
    }))
  }

  /** Failures of planning point at the lines that they come from. */
  async #at<T>(range: { line: number; endLine: number }, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (err) {
      throw withLocation(err, locationOf(this.#file, range))
    }
  }
}
