import { formatPlatform, normalisePlatform, type Platform, parsePlatform } from '../../../oci/platform.js'
import { fault } from '../fault.js'
import { quote } from '../go-text.js'
import type { Dockerfile, Stage } from '../instruction.js'
import { type Expansion, expand } from '../shell-lex.js'
import { suggest } from '../suggest.js'
import type { GlobalArgs } from './global-args.js'
import { isImageReference } from './reference-form.js'
import type { Reporter } from './reporter.js'

/** FROM with its variables replaced. */
export interface ResolvedFrom {
  base: string
  platform: Platform | undefined
  /** Names of the variables that it uses. */
  used: ReadonlySet<string>
}

/** InvalidDefaultArgInFrom: without build arguments, each base must still be a name. */
export function checkDefaultBases(file: Dockerfile, defaults: GlobalArgs, reporter: Reporter): void {
  for (const stage of file.stages) {
    const { text } = expand(stage.base, (n) => defaults.values.get(n), { escape: file.escape })
    if (!isImageReference(text))
      reporter.report(
        'InvalidDefaultArgInFrom',
        stage.location,
        `Default value for ARG ${stage.base} results in empty or invalid base image name`,
      )
  }
}

/**
 * UndefinedArgInFrom, RedundantTargetPlatform, FromPlatformFlagConstDisallowed, and what FROM comes to.
 *
 * @throws TsboxError E_DOCKERFILE without a location
 */
export function resolveFrom(
  stage: Stage,
  file: Dockerfile,
  globals: GlobalArgs,
  build: Platform,
  reporter: Reporter,
): ResolvedFrom {
  const lookup = (name: string) => globals.values.get(name)
  const base = expand(stage.base, lookup, { escape: file.escape })
  reportUndeclared(base, stage, globals, reporter)
  if (base.text === '')
    throw fault(`base name (${stage.base}) should not be blank`, 'give the ARG a default, or pass --build-arg')
  if (stage.platform === '') return { base: base.text, platform: undefined, used: base.matched }
  const platform = expand(stage.platform, lookup, { escape: file.escape })
  reportUndeclared(platform, stage, globals, reporter)
  reportRedundant(platform, stage, globals, reporter)
  reportConstant(platform, stage, build, reporter)
  if (platform.text === '') throw emptyPlatform(stage.platform, platform, globals)
  const used = new Set([...base.matched, ...platform.matched])
  return { base: base.text, platform: parsePlatform(platform.text, build), used }
}

function emptyPlatform(written: string, expansion: Expansion, globals: GlobalArgs): Error {
  const guesses = [...expansion.unmatched].map((n) => suggest(n, [...globals.values.keys()]))
  const guess = guesses.find((g) => g !== undefined)
  return fault(
    `empty platform value from expression ${written}${guess ? ` (did you mean ${guess}?)` : ''}`,
    'declare the ARG above the first FROM and give it a value',
  )
}

function reportUndeclared(expansion: Expansion, stage: Stage, globals: GlobalArgs, reporter: Reporter): void {
  for (const name of expansion.unmatched) {
    if (globals.declared.has(name)) continue
    const guess = suggest(name, [...globals.declared, ...globals.values.keys()])
    reporter.report(
      'UndefinedArgInFrom',
      stage.location,
      `FROM argument '${name}' is not declared${guess ? ` (did you mean ${guess}?)` : ''}`,
    )
  }
}

function reportRedundant(expansion: Expansion, stage: Stage, globals: GlobalArgs, reporter: Reporter): void {
  const only = expansion.matched.size === 1 && expansion.unmatched.size === 0
  if (!only || !expansion.matched.has('TARGETPLATFORM')) return
  if (expansion.text === globals.values.get('TARGETPLATFORM'))
    reporter.report(
      'RedundantTargetPlatform',
      stage.location,
      `Setting platform to predefined ${stage.platform} in FROM is redundant as this is the default behavior`,
    )
}

function reportConstant(expansion: Expansion, stage: Stage, build: Platform, reporter: Reporter): void {
  if (expansion.matched.size > 0 || expansion.unmatched.size > 0) return
  let platform: Platform
  try {
    platform = parsePlatform(expansion.text, build)
  } catch {
    return
  }
  // A stage that says in its name what it is for means its platform.
  if (stage.name.includes(platform.os) || stage.name.includes(platform.architecture)) return
  reporter.report(
    'FromPlatformFlagConstDisallowed',
    stage.location,
    `FROM --platform flag should not use constant value ${quote(expansion.text)}`,
  )
}

/** InvalidBaseImagePlatform: the image that was found is for another machine. */
export function checkImagePlatform(
  stage: Stage,
  name: string,
  expected: Platform,
  actual: Platform,
  reporter: Reporter,
): void {
  if (expected.os === actual.os && expected.architecture === actual.architecture) return
  const [want, got] = [expected, actual].map((p) => quote(formatPlatform(normalisePlatform(p))))
  reporter.report(
    'InvalidBaseImagePlatform',
    stage.location,
    `Base image ${name} was pulled with platform ${got}, expected ${want} for current build`,
  )
}
