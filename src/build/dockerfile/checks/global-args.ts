import { formatPlatform, type Platform } from '../../../oci/platform.js'
import { locate } from '../fault.js'
import type { Dockerfile } from '../instruction.js'
import { expandWord } from '../shell-lex.js'

/** Variables that FROM sees. */
export interface GlobalArgs {
  values: ReadonlyMap<string, string>
  /** Names that an ARG above the first FROM declares, with a value or without, and the predefined ones. */
  declared: ReadonlySet<string>
}

/** Settings of {@link globalArgs}. */
export interface GlobalArgOptions {
  buildArgs: Readonly<Record<string, string | undefined>>
  platform: Platform
  buildPlatform: Platform
  target: string
}

/**
 * The predefined platform variables and the ARGs above the first FROM, each default seeing those before it.
 *
 * @param useBuildArgs false for the values that hold when nobody passes any to the file's own ARGs
 * @throws TsboxError E_DOCKERFILE with a location
 */
export function globalArgs(file: Dockerfile, options: GlobalArgOptions, useBuildArgs: boolean): GlobalArgs {
  const { buildArgs } = options
  const values = new Map<string, string>()
  for (const [name, value] of predefined(options)) values.set(name, buildArgs[name] ?? value)
  const declared = new Set(values.keys())
  for (const instruction of file.metaArgs)
    locate(file, instruction.location, () => {
      for (const { key, value } of instruction.args) {
        const given = useBuildArgs ? buildArgs[key] : undefined
        const fallback = () =>
          value === undefined ? undefined : expandWord(value, (n) => values.get(n), { escape: file.escape })
        const result = given ?? fallback()
        if (result !== undefined) values.set(key, result)
        declared.add(key)
      }
    })
  return { values, declared }
}

function predefined({ platform, buildPlatform, target }: GlobalArgOptions): [string, string][] {
  const side = (prefix: string, p: Platform): [string, string][] => [
    [`${prefix}PLATFORM`, formatPlatform(p)],
    [`${prefix}OS`, p.os],
    [`${prefix}OSVERSION`, ''],
    [`${prefix}ARCH`, p.architecture],
    [`${prefix}VARIANT`, p.variant ?? ''],
  ]
  return [...side('BUILD', buildPlatform), ...side('TARGET', platform), ['TARGETSTAGE', target || 'default']]
}
