import { TsboxError, withLocation } from '../../base/error.js'
import { platformOf } from '../../oci/image-config.js'
import type { Platform } from '../../oci/platform.js'
import { formatPlatform, parsePlatform } from '../../oci/platform.js'
import { expandInstruction } from '../dockerfile/expand-instruction.js'
import type { Dockerfile, Stage, StageInstruction } from '../dockerfile/instruction.js'
import { parseInstruction } from '../dockerfile/parse.js'
import { expandWord } from '../dockerfile/shell-lex.js'
import { suggest } from '../dockerfile/suggest.js'
import { type DispatchContext, dispatch } from './dispatch.js'
import { evaluateMetaArgs, platformArgs } from './meta-args.js'
import { locationOf, type NamedContext, type PlanOptions } from './plan-options.js'
import { vertexNamer } from './run-step.js'
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
  readonly #images = new Map<string, Promise<Vertex>>()
  readonly #contexts = new Map<string, Vertex>()
  /** Stages being planned, outermost first: a stage that needs one of them needs itself. */
  readonly #path: number[]

  constructor(file: Dockerfile, options: PlanOptions, parent?: Planner, index?: number) {
    this.#file = file
    this.#options = options
    this.#metaArgs = parent ? parent.#metaArgs : evaluateMetaArgs(file, options)
    this.#path = parent && index !== undefined ? [...parent.#path, index] : []
    if (parent) {
      this.#states = parent.#states
      this.#images = parent.#images
      this.#contexts = parent.#contexts
    }
  }

  findTarget(): number {
    const { target } = this.#options
    return target === undefined || target === '' ? this.#file.stages.length - 1 : this.#targetIndex(target)
  }

  /** @throws TsboxError E_DOCKERFILE for one that the Dockerfile has not */
  checkNoCacheStages(): void {
    for (const stage of this.#options.noCacheStages ?? []) this.#targetIndex(stage)
  }

  /**
   * Whether results of a vertex of the stage being planned may come from the cache. What stands on something that is made
   * anew is made anew too, up to the next copy: that one counts by what it copies.
   */
  #freshness(op: Op, inputs: readonly Vertex[]): Pick<Vertex, 'noCache' | 'byContent'> {
    const stage = this.#path.at(-1)
    const listed = (this.#options.noCacheStages ?? []).some((name) => this.#targetIndex(name) === stage)
    if (this.#options.noCache || listed || inputs[0]?.noCache) return { noCache: true }
    const anew = inputs.slice(1).some((i) => i.noCache)
    return op.kind === 'copy' && anew ? { noCache: false, byContent: true } : { noCache: anew }
  }

  #targetIndex(target: string): number {
    const { stages } = this.#file
    const named = stages.findLastIndex((s) => s.name === target.toLowerCase())
    if (named >= 0) return named
    if (/^\d+$/.test(target) && Number(target) < stages.length) return Number(target)
    const names = stages.map((s) => s.name).filter((n) => n !== '')
    const near = suggest(target, names)
    throw new TsboxError(
      'E_DOCKERFILE',
      `target stage "${target}" could not be found${near ? ` (did you mean ${near}?)` : ''}`,
      {
        hint: names.length
          ? `stages with a name: ${names.join(', ')}`
          : 'no stage of this Dockerfile has a name (FROM … AS name)',
      },
    )
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
      return this.#dependencies(from).some(reaches)
    }
    return this.#dependencies(index).some(reaches)
  }

  #dependencies(index: number): number[] {
    const stage = this.#file.stages[index]!
    const names: string[] = []
    for (const i of stage.instructions) {
      if (i.type === 'copy' && i.from !== '') names.push(i.from)
      if (i.type === 'run') names.push(...i.mounts.map((m) => m.from).filter((f) => f !== ''))
    }
    const out = names.map((n) => this.#stageIndex(n)).filter((n) => n !== undefined)
    const base = this.#baseStage(index, stage.base)
    return base === undefined ? out : [...out, base]
  }

  #stageIndex(from: string): number | undefined {
    const given = this.#options.namedContext(from)
    if (given) return this.#givenStage(given)
    const named = this.#file.stages.findLastIndex((s) => s.name !== '' && s.name === from.toLowerCase())
    if (named >= 0) return named
    return /^\d+$/.test(from) && Number(from) < this.#file.stages.length ? Number(from) : undefined
  }

  /** The stage that a named context is. */
  #givenStage(given: NamedContext): number | undefined {
    return given.kind === 'stage' ? this.#targetIndex(given.stage) : undefined
  }

  /** FROM knows only the stages above it, beside those that are given by name. */
  #baseStage(index: number, base: string): number | undefined {
    const given = this.#options.namedContext(base)
    if (given) return this.#givenStage(given)
    const at = this.#file.stages.slice(0, index).findLastIndex((s) => s.name !== '' && s.name === base.toLowerCase())
    return at < 0 ? undefined : at
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
    const parent = this.#baseStage(index, base)
    if (parent !== undefined) return StageState.fromStage(await this.stage(parent))
    if (replaced?.kind === 'files') return StageState.fromImage(this.#context(base), platform, undefined)
    if (base === 'scratch' && !replaced)
      return StageState.fromImage(
        { op: { kind: 'scratch' }, inputs: [], name: '', noCache: false },
        // As in BuildKit: what nothing was taken from is for the platform that is built for.
        this.#options.platform,
        undefined,
      )
    if (!replaced) this.#refuseLaterStage(base, index)
    const reference = replaced?.kind === 'image' ? replaced.reference : base
    const vertex = await this.#image(reference, platform)
    const image = vertex.op.kind === 'image' ? vertex.op.image : undefined
    // An image of another platform than the one asked for says so itself.
    const own = image ? platformOf(image.config) : platform
    return StageState.fromImage(vertex, own, image?.config)
  }

  #refuseLaterStage(base: string, index: number): void {
    const later = this.#file.stages.findIndex((s, at) => at >= index && s.name !== '' && s.name === base.toLowerCase())
    if (later < 0) return
    const { line } = this.#file.stages[later]!.location
    throw new TsboxError(
      'E_DOCKERFILE',
      later === index
        ? `FROM: a stage can't be its own base "${base}"`
        : `FROM: stage "${base}" is defined later, in line ${line}`,
      { hint: later === index ? 'give the stage another name than its base image' : 'move that stage above this one' },
    )
  }

  #image(reference: string, platform: Platform): Promise<Vertex> {
    const id = `${formatPlatform(platform)} ${reference}`
    let vertex = this.#images.get(id)
    if (!vertex) {
      vertex = this.#options.resolveImage(reference, platform).then((image) => ({
        op: { kind: 'image', reference: image.reference ?? reference, image } satisfies Op,
        inputs: [],
        name: '',
        noCache: false,
      }))
      this.#images.set(id, vertex)
    }
    return vertex
  }

  async #source(from: string): Promise<Vertex> {
    if (from === '') return this.#context('')
    const named = this.#options.namedContext(from)
    if (named?.kind === 'files') return this.#context(from)
    const index = this.#stageIndex(from)
    if (index !== undefined) return (await this.stage(index)).vertex
    if (/^\d+$/.test(from) && !named)
      throw new TsboxError('E_DOCKERFILE', `invalid stage index ${from}`, {
        hint: `this Dockerfile has stages 0 to ${this.#file.stages.length - 1}`,
      })
    if (from === 'scratch') return { op: { kind: 'scratch' }, inputs: [], name: '', noCache: false }
    try {
      return await this.#image(named?.kind === 'image' ? named.reference : from, this.#options.platform)
    } catch (err) {
      if (err instanceof TsboxError && err.code === 'E_IMAGE_NOT_FOUND') throw this.#withStageHint(err, from)
      throw err
    }
  }

  #withStageHint(err: TsboxError, from: string): TsboxError {
    const names = this.#file.stages.map((s) => s.name).filter((n) => n !== '')
    const near = suggest(from, names)
    return new TsboxError(err.code, `${err.message}, and no stage has that name`, {
      cause: err,
      hint: near ? `did you mean stage "${near}"?` : err.hint,
    })
  }

  #context(name: string): Vertex {
    let vertex = this.#contexts.get(name)
    if (!vertex) {
      const title = name === '' ? '[internal] load build context' : `[context ${name}] load from client`
      vertex = { op: { kind: 'context', name }, inputs: [], name: title, noCache: false }
      this.#contexts.set(name, vertex)
    }
    return vertex
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
