import type { Platform } from '../../oci/platform.js'
import { formatPlatform } from '../../oci/platform.js'
import type { Dockerfile } from '../dockerfile/instruction.js'
import { expandWord } from '../dockerfile/shell-lex.js'
import type { PlanOptions } from './plan-options.js'

/** The variables that every build has: platforms of the machine and of the target. */
export function platformArgs(options: Pick<PlanOptions, 'platform' | 'buildPlatform'>): Map<string, string> {
  const out = new Map<string, string>()
  const sides: [string, Platform][] = [
    ['BUILD', options.buildPlatform ?? options.platform],
    ['TARGET', options.platform],
  ]
  for (const [side, platform] of sides) {
    out.set(`${side}PLATFORM`, formatPlatform(platform))
    out.set(`${side}OS`, platform.os)
    out.set(`${side}OSVERSION`, '')
    out.set(`${side}ARCH`, platform.architecture)
    out.set(`${side}VARIANT`, platform.variant ?? '')
  }
  out.set('TARGETSTAGE', 'default')
  return out
}

/**
 * Values of the ARGs above the first FROM, each default seeing those before it; with the platform variables they are
 * what FROM can use, and what an ARG without default in a stage takes.
 */
export function evaluateMetaArgs(file: Dockerfile, options: PlanOptions): Map<string, string | undefined> {
  const values = new Map<string, string | undefined>()
  for (const [key, value] of platformArgs(options)) values.set(key, options.buildArgs[key] ?? value)
  if (options.target) values.set('TARGETSTAGE', options.target)
  for (const instruction of file.metaArgs) {
    for (const arg of instruction.args) {
      const fallback =
        arg.value === undefined
          ? values.get(arg.key)
          : expandWord(arg.value, (key) => values.get(key), { escape: file.escape })
      values.set(arg.key, options.buildArgs[arg.key] ?? fallback)
    }
  }
  return values
}
