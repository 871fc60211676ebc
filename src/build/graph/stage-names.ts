import { TsboxError } from '../../base/error.js'
import type { Stage } from '../dockerfile/instruction.js'
import { suggest } from '../dockerfile/suggest.js'
import type { NamedContext, PlanOptions } from './plan-options.js'

/** Finds the stages of a Dockerfile by what names them. */
export class StageNames {
  readonly #stages: readonly Stage[]
  readonly #options: Pick<PlanOptions, 'namedContext'>

  constructor(stages: readonly Stage[], options: Pick<PlanOptions, 'namedContext'>) {
    this.#stages = stages
    this.#options = options
  }

  get count(): number {
    return this.#stages.length
  }

  /** A stage by name or number. @throws TsboxError E_DOCKERFILE for one that the Dockerfile has not */
  target(target: string): number {
    const stages = this.#stages
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

  /** The stages that a stage takes files from or stands on. */
  dependencies(index: number): number[] {
    const stage = this.#stages[index]!
    const names: string[] = []
    for (const i of stage.instructions) {
      if (i.type === 'copy' && i.from !== '') names.push(i.from)
      if (i.type === 'run') names.push(...i.mounts.map((m) => m.from).filter((f) => f !== ''))
    }
    const out = names.map((n) => this.source(n)).filter((n) => n !== undefined)
    const base = this.base(index, stage.base)
    return base === undefined ? out : [...out, base]
  }

  /** What `--from` names, where it is a stage. */
  source(from: string): number | undefined {
    const given = this.#options.namedContext(from)
    if (given) return this.#givenStage(given)
    const named = this.#stages.findLastIndex((s) => s.name !== '' && s.name === from.toLowerCase())
    if (named >= 0) return named
    return /^\d+$/.test(from) && Number(from) < this.#stages.length ? Number(from) : undefined
  }

  /** The stage that a named context is. */
  #givenStage(given: NamedContext): number | undefined {
    return given.kind === 'stage' ? this.target(given.stage) : undefined
  }

  /** FROM knows only the stages above it, beside those that are given by name. */
  base(index: number, base: string): number | undefined {
    const given = this.#options.namedContext(base)
    if (given) return this.#givenStage(given)
    const at = this.#stages.slice(0, index).findLastIndex((s) => s.name !== '' && s.name === base.toLowerCase())
    return at < 0 ? undefined : at
  }

  /** @throws TsboxError E_DOCKERFILE where the name of a base is that of a stage which is not above */
  refuseLater(base: string, index: number): void {
    const later = this.#stages.findIndex((s, at) => at >= index && s.name !== '' && s.name === base.toLowerCase())
    if (later < 0) return
    const { line } = this.#stages[later]!.location
    throw new TsboxError(
      'E_DOCKERFILE',
      later === index
        ? `FROM: a stage can't be its own base "${base}"`
        : `FROM: stage "${base}" is defined later, in line ${line}`,
      { hint: later === index ? 'give the stage another name than its base image' : 'move that stage above this one' },
    )
  }

  /** An error for what is neither an image nor a stage. */
  withHint(err: TsboxError, from: string): TsboxError {
    const names = this.#stages.map((s) => s.name).filter((n) => n !== '')
    const near = suggest(from, names)
    return new TsboxError(err.code, `${err.message}, and no stage has that name`, {
      cause: err,
      hint: near ? `did you mean stage "${near}"?` : err.hint,
    })
  }
}
