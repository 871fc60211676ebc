import type { Platform } from '../../../oci/platform.js'
import type { IgnoreMatcher } from '../../context/ignore.js'
import type { LineRange } from '../ast.js'
import { expandInstruction } from '../expand-instruction.js'
import { fault, faultWithGuess, locate } from '../fault.js'
import { quote } from '../go-text.js'
import type {
  ArgDefinition,
  ArgInstruction,
  Dockerfile,
  RunInstruction,
  Stage,
  StageInstruction,
} from '../instruction.js'
import { parseInstruction } from '../parse.js'
import { type Expansion, expand } from '../shell-lex.js'
import { suggest } from '../suggest.js'
import { checkImagePlatform, type ResolvedFrom, resolveFrom } from './from.js'
import type { GlobalArgs } from './global-args.js'
import { checkInstruction } from './instruction-checks.js'
import type { LintContext } from './lint.js'
import { isImageReference } from './reference-form.js'
import type { Reporter } from './reporter.js'
import { StageScope } from './scope.js'
import { checkSecretName } from './secrets.js'

/** Build arguments that steer the builder and are no variables of a stage. */
const NOT_VARIABLES = ['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']

/** What looks on while the walk goes through the stages; stages are given by their index. */
export interface WalkObserver {
  /** FROM of every stage, needed or not. */
  from(stage: number, from: ResolvedFrom): void
  /** An ARG; `inherited` where its value is that of the ARG above the first FROM, or predefined. */
  arg(stage: number, arg: ArgDefinition, location: LineRange, value: string | undefined, inherited: boolean): void
  /** A RUN, expanded. */
  run(stage: number, run: RunInstruction): void
}

/** Which stages are needed. */
export interface StageNeeds {
  /** Index of the stage asked for. */
  target: number
  /** By index, what a stage takes from: its base first. */
  needs: readonly (readonly number[])[]
}

/** What the walk is given. */
export interface WalkInput {
  file: Dockerfile
  context: LintContext
  globals: GlobalArgs
  buildArgs: Readonly<Record<string, string | undefined>>
  ignore: IgnoreMatcher | undefined
  reporter: Reporter
  observer?: WalkObserver | undefined
}

/** Goes through the stages as a build would, so that each instruction is seen with the variables that it has. */
export class StageWalk {
  readonly #in: WalkInput
  readonly #froms: ResolvedFrom[] = []
  readonly #scopes: StageScope[] = []

  constructor(input: WalkInput) {
    this.#in = input
  }

  /** @throws TsboxError E_DOCKERFILE */
  run(): StageNeeds {
    const { file, context, globals, reporter, observer } = this.#in
    const build = context.buildPlatform ?? context.platform
    for (const [index, stage] of file.stages.entries()) {
      const from = locate(file, stage.location, () => resolveFrom(stage, file, globals, build, reporter))
      this.#froms.push(from)
      observer?.from(index, from)
    }
    const needs = file.stages.map((_, i) => this.#needs(i))
    for (const i of file.stages.keys()) this.#refuseCircle(i, needs)
    const target = this.#target()
    const wanted = this.#wanted(target, needs)
    for (const [index, stage] of file.stages.entries()) if (wanted.has(index)) this.#stage(index, stage)
    return { target, needs }
  }

  /** The target and what it needs; everything without a target. */
  #wanted(target: number, needs: readonly number[][]): Set<number> {
    const { file, context } = this.#in
    if (!context.target && !context.lastOnly) return new Set(file.stages.keys())
    const found = new Set([target])
    for (const i of found) for (const n of needs[i]!) found.add(n)
    return found
  }

  #target(): number {
    const { file, context } = this.#in
    if (!context.target) return file.stages.length - 1
    const target = context.target.toLowerCase()
    const index = this.#named(target)
    if (index !== undefined) return index
    if (/^\d+$/.test(target) && Number(target) < file.stages.length) return Number(target)
    throw faultWithGuess(
      `target stage ${quote(target)} could not be found`,
      target,
      file.stages.map((s) => s.name).filter(Boolean),
    )
  }

  #needs(index: number): number[] {
    const { file } = this.#in
    const stage = file.stages[index]!
    const out: (number | undefined)[] = [this.#baseOf(index)]
    for (const i of stage.instructions) {
      if (i.type === 'copy' && i.from !== '') out.push(locate(file, i.location, () => this.#copySource(i.from)))
      if (i.type === 'run') out.push(...i.mounts.filter((m) => m.from !== '').map((m) => this.#named(m.from)))
    }
    return out.filter((n) => n !== undefined)
  }

  #refuseCircle(index: number, needs: readonly number[][]): void {
    const { file } = this.#in
    const seen = new Set(needs[index])
    for (const i of seen) for (const n of needs[i]!) seen.add(n)
    if (!seen.has(index)) return
    const stage = file.stages[index]!
    locate(file, stage.location, () => {
      throw fault(
        `circular dependency detected on stage: ${stage.name || `stage-${index}`}`,
        'a stage can only take from stages that do not take from it',
      )
    })
  }

  /** FROM knows the stages above it. */
  #baseOf(index: number): number | undefined {
    const name = this.#froms[index]!.base.toLowerCase()
    const at = this.#in.file.stages.slice(0, index).findLastIndex((s) => s.name !== '' && s.name === name)
    return at < 0 ? undefined : at
  }

  #named(name: string): number | undefined {
    const at = this.#in.file.stages.findLastIndex((s) => s.name !== '' && s.name === name.toLowerCase())
    return at < 0 ? undefined : at
  }

  #copySource(from: string): number | undefined {
    if (!/^[+-]?\d+$/.test(from)) return this.#named(from)
    const index = Number(from)
    if (index >= 0 && index < this.#in.file.stages.length) return index
    throw fault(`invalid stage index ${index}`, `this Dockerfile has stages 0 to ${this.#in.file.stages.length - 1}`)
  }

  #stage(index: number, stage: Stage): void {
    const { file } = this.#in
    const parent = this.#baseOf(index)
    const scope = locate(file, stage.location, () =>
      parent === undefined ? this.#fromImage(index, stage) : new StageScope(this.#scopes[parent], undefined, ''),
    )
    this.#scopes[index] = scope
    for (const text of scope.takeTriggers())
      locate(file, stage.location, () =>
        this.#instruction({ ...parseInstruction(text), location: stage.location, onbuild: true }, scope, index),
      )
    for (const i of stage.instructions) locate(file, i.location, () => this.#instruction(i, scope, index))
  }

  #fromImage(index: number, stage: Stage): StageScope {
    const { context, reporter } = this.#in
    const { base, platform: own } = this.#froms[index]!
    const platform: Platform = own ?? context.platform
    if (base === 'scratch') return new StageScope(undefined, undefined, context.platform.os)
    if (!isImageReference(base))
      throw fault(
        `failed to parse stage name ${quote(base)}: invalid reference format`,
        'write name, name:tag or registry/name:tag, all in lower case',
      )
    const image = context.image?.(base, platform)
    if (image?.platform) checkImagePlatform(stage, base, platform, image.platform, reporter)
    const open = context.image !== undefined && image === undefined
    return new StageScope(undefined, image, platform.os, open)
  }

  #instruction(i: StageInstruction, scope: StageScope, index: number): void {
    if (i.type === 'arg') {
      this.#arg(i, scope, index)
      return
    }
    if (i.type === 'copy' && i.from !== '') this.#refuseLater('copy', this.#copySource(i.from), i.from, index)
    if (i.type === 'run')
      for (const { from } of i.mounts) if (from !== '') this.#refuseLater('mount', this.#named(from), from, index)
    const expanded = expandInstruction(i, (name) => scope.env.get(name), {
      escape: this.#in.file.escape,
      onWord: (word) => this.#reportUndefined(word, i, scope),
    })
    if (expanded.type === 'run') this.#in.observer?.run(index, expanded)
    checkInstruction(expanded, scope, this.#in.ignore, this.#in.reporter)
  }

  /** Stages are built in order: one below is not there yet. */
  #refuseLater(verb: string, source: number | undefined, from: string, index: number): void {
    if (source === undefined || source < index) return
    const current = this.#in.file.stages[index]!.name || `stage-${index}`
    throw fault(
      `cannot ${verb} from stage ${quote(from)}, it needs to be defined before current stage ${quote(current)}`,
      `move stage "${from}" above this one`,
    )
  }

  #arg(i: ArgInstruction, scope: StageScope, index: number): void {
    const { buildArgs, globals, file, reporter, observer } = this.#in
    for (const arg of i.args) {
      const { key, value } = arg
      checkSecretName('ARG', key, i.location, reporter)
      let result = buildArgs[key]
      if (result === undefined && value !== undefined) {
        const word = expand(value, (name) => scope.env.get(name), { escape: file.escape })
        this.#reportUndefined(word, i, scope)
        result = word.text
      }
      const inherited = result === undefined && globals.values.has(key)
      result ??= globals.values.get(key)
      observer?.arg(index, arg, i.location, result, inherited)
      if (result !== undefined && !NOT_VARIABLES.includes(key)) scope.env.set(key, result)
      scope.args.add(key)
    }
  }

  /** UndefinedVar */
  #reportUndefined(word: Expansion, i: StageInstruction, scope: StageScope): void {
    if (scope.open) return
    for (const name of word.unmatched) {
      if (scope.args.has(name) || NOT_VARIABLES.includes(name)) continue
      const guess = suggest(name, [...scope.env.keys()])
      this.#in.reporter.report(
        'UndefinedVar',
        i.location,
        `Usage of undefined variable '$${name}'${guess ? ` (did you mean $${guess}?)` : ''}`,
      )
    }
  }
}
