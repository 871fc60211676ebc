import { TsboxError } from '../../../base/error.js'
import type { Platform } from '../../../oci/platform.js'
import { IgnoreMatcher } from '../../context/ignore.js'
import { type CheckOptions, parseCheckOptions } from '../directive.js'
import type { Dockerfile } from '../instruction.js'
import { checkFromCasing, checkInstructionCasing } from './casing.js'
import { checkDescriptions, checkStageNames } from './definition.js'
import { checkDefaultBases } from './from.js'
import { globalArgs } from './global-args.js'
import { type LintWarning, Reporter } from './reporter.js'
import { StageWalk } from './stage-walk.js'

/** What checks use of a base image's configuration. */
export interface LintImage {
  env: ReadonlyMap<string, string>
  hasShell: boolean
  triggers: readonly string[]
  /** What the image was made for; undefined for one without layers, which fits everywhere. */
  platform: Platform | undefined
}

/** What checks need beside the file. */
export interface LintContext {
  buildArgs?: Readonly<Record<string, string | undefined>> | undefined
  /** Stage to look at, by name or index, with those it needs; all where absent. */
  target?: string | undefined
  /** Without a target, look only at the last stage and what it needs, as a build does. */
  lastOnly?: boolean | undefined
  /** Platform of the build's result; `buildPlatform` is the machine's, the same where absent. */
  platform: Platform
  buildPlatform?: Platform | undefined
  /** Patterns of `.dockerignore`. */
  ignorePatterns?: readonly string[] | undefined
  /**
   * Base images. Without this each one counts as empty; one that this does not know may set any variable, so that
   * UndefinedVar stays silent in its stages.
   */
  image?: ((reference: string, platform: Platform) => LintImage | undefined) | undefined
  /** Replaces what `# check=` says (BUILDKIT_DOCKERFILE_CHECK). */
  options?: CheckOptions | undefined
}

/** What the checks found. */
export interface LintResult {
  /** In the order of lines. */
  warnings: LintWarning[]
  /** What would fail the build before its first step; with `# check=error=true` any warning does. */
  error: TsboxError | undefined
}

/**
 * Runs BuildKit's checks on a Dockerfile, without running or fetching anything.
 *
 * @see https://docs.docker.com/reference/build-checks/
 */
export function lint(file: Dockerfile, context: LintContext): LintResult {
  const options = context.options ?? file.directives.check
  const reporter = new Reporter(options)
  let error: TsboxError | undefined
  try {
    checkText(file, reporter)
    checkMeaning(file, context, reporter)
  } catch (err) {
    if (!(err instanceof TsboxError)) throw err
    error = err
  }
  if (!error && options.error) error = violationOf(reporter.warnings)
  const warnings = reporter.warnings.sort((a, b) => a.line - b.line)
  return { warnings, error }
}

/** What `# check=error=true` makes of warnings: E_LINT, or nothing where there are none. */
export function violationOf(warnings: readonly LintWarning[]): TsboxError | undefined {
  const rules = [...new Set(warnings.map((w) => w.rule))]
  if (!rules.length) return undefined
  return new TsboxError('E_LINT', `lint violation found for rules: ${rules.join(', ')}`, {
    hint: 'mend them, or name them in # check=skip=…',
  })
}

/**
 * What checks may say: the build argument BUILDKIT_DOCKERFILE_CHECK, else the `# check=` of the file.
 *
 * @throws TsboxError E_DOCKERFILE for an unknown option
 */
export function checkOptions(file: Dockerfile, buildArgs: LintContext['buildArgs']): CheckOptions {
  const given = buildArgs?.BUILDKIT_DOCKERFILE_CHECK
  if (!given) return file.directives.check
  try {
    return parseCheckOptions(given)
  } catch (err) {
    if (!(err instanceof TsboxError)) throw err
    throw new TsboxError(err.code, `failed to parse BUILDKIT_DOCKERFILE_CHECK: ${err.message}`, { hint: err.hint })
  }
}

/** Checks that need no variable. */
function checkText(file: Dockerfile, reporter: Reporter): void {
  for (const w of file.warnings) reporter.report(w.rule, w.location, w.detail)
  for (const { from } of file.stages) checkFromCasing(from, reporter)
  for (const i of file.stages.flatMap((s) => s.instructions))
    if (i.type === 'maintainer')
      reporter.report(
        'MaintainerDeprecated',
        i.location,
        'Maintainer instruction is deprecated in favor of using label',
      )
  checkDescriptions(file, reporter)
  checkStageNames(file.stages, reporter)
  checkInstructionCasing(file, reporter)
}

function checkMeaning(file: Dockerfile, context: LintContext, reporter: Reporter): void {
  const buildArgs = context.buildArgs ?? {}
  const settings = {
    buildArgs,
    platform: context.platform,
    buildPlatform: context.buildPlatform ?? context.platform,
    target: context.target || file.stages.at(-1)!.name,
  }
  const ignore = context.ignorePatterns?.length ? new IgnoreMatcher(context.ignorePatterns) : undefined
  tryDefaults(() => checkDefaultBases(file, globalArgs(file, settings, false), reporter))
  const globals = globalArgs(file, settings, true)
  new StageWalk({ file, context, globals, buildArgs, ignore, reporter }).run()
}

/** A default that can't be expanded will fail the build itself; here it ends only this check. */
function tryDefaults(check: () => void): void {
  try {
    check()
  } catch (err) {
    if (!(err instanceof TsboxError)) throw err
  }
}
