import { formatPlatform, type Platform } from '../oci/platform.js'
import type { BuildJob } from './build.js'
import { checkOptions, type LintImage, lint, violationOf } from './dockerfile/checks/lint.js'
import { type LintWarning, speaks } from './dockerfile/checks/reporter.js'
import { RULES, type RuleName } from './dockerfile/checks/rules.js'
import type { CheckOptions } from './dockerfile/directive.js'
import type { Dockerfile } from './dockerfile/instruction.js'
import { lintImage, NO_IMAGE } from './lint-image.js'
import type { BuildHost, SourceImage } from './seams.js'

/** The checks of one build: they see the images that the plan resolves, and resolve none themselves. */
export class BuildChecks {
  readonly #file: Dockerfile
  readonly #job: Pick<BuildJob, 'plan' | 'ignorePatterns'>
  readonly #host: Pick<BuildHost, 'progress' | 'nowMs' | 'platform'>
  readonly #options: CheckOptions
  readonly #vertex: number
  readonly #images = new Map<string, LintImage>()
  #warnings: LintWarning[] = []

  /**
   * @param vertex the step of progress that the warnings belong to
   * @throws TsboxError E_DOCKERFILE for a BUILDKIT_DOCKERFILE_CHECK that can't be read
   */
  constructor(
    file: Dockerfile,
    job: Pick<BuildJob, 'plan' | 'ignorePatterns'>,
    host: Pick<BuildHost, 'progress' | 'nowMs' | 'platform'>,
    vertex: number,
  ) {
    this.#file = file
    this.#job = job
    this.#host = host
    this.#options = checkOptions(file, job.plan.buildArgs)
    this.#vertex = vertex
  }

  /** Remembers a base image. */
  know(reference: string, platform: Platform, image: SourceImage): void {
    this.#images.set(imageKey(reference, platform), lintImage(image.config))
  }

  /** Runs the checks, also on a file that can't be planned, and tells what they found. */
  report(): void {
    if (!(Object.keys(RULES) as RuleName[]).some((name) => speaks(name, this.#options))) return
    const { plan, ignorePatterns } = this.#job
    // What the checks themselves can't follow is the plan's to refuse: it knows more.
    const { warnings } = lint(this.#file, {
      buildArgs: plan.buildArgs,
      target: plan.target,
      lastOnly: true,
      platform: plan.platform,
      buildPlatform: this.#host.platform,
      ignorePatterns: speaks('CopyIgnoredFile', this.#options) ? ignorePatterns?.() : undefined,
      image: (base, platform) => this.#image(base, platform),
      options: this.#options,
    })
    this.#warnings = warnings
    for (const w of warnings) this.#tell(w)
  }

  /** @throws TsboxError E_LINT where warnings shall fail the build and there are some */
  enforce(): void {
    const violation = this.#options.error ? violationOf(this.#warnings) : undefined
    if (violation) throw violation
  }

  #image(base: string, platform: Platform): LintImage | undefined {
    const named = this.#job.plan.namedContext(base)
    if (!named) return this.#images.get(imageKey(base, platform))
    if (named.kind !== 'image') return NO_IMAGE
    const image = this.#images.get(imageKey(named.reference, platform))
    // Who names an image by hand means that one, whatever its platform.
    return image && { ...image, platform: undefined }
  }

  #tell({ rule, line, endLine, detail, description, url }: LintWarning): void {
    const { progress, nowMs } = this.#host
    const { file, text } = this.#file
    const [id, time, source] = [this.#vertex, nowMs(), { file, text }]
    progress({ type: 'warning', id, time, rule, message: detail, description, url, line, endLine, source })
  }
}

function imageKey(reference: string, platform: Platform): string {
  return `${formatPlatform(platform)} ${reference}`
}
