import { fault } from './fault.js'
import { cut } from './go-text.js'
import { suggest } from './suggest.js'

/** Kinds of flags: `--name`, `--name=text`, `--name=text` any number of times. */
export type FlagKind = 'bool' | 'string' | 'strings'

/** Values of flags by name; a flag that was not given is absent. */
export interface FlagValues<K extends string> {
  bool(name: K): boolean | undefined
  string(name: K): string
  strings(name: K): string[]
}

/**
 * Reads the flags of an instruction.
 *
 * @throws TsboxError E_DOCKERFILE for an unknown or repeated flag, a value missing or not boolean
 */
export function parseFlags<K extends string>(words: readonly string[], kinds: Record<K, FlagKind>): FlagValues<K> {
  const values = new Map<string, string[]>()
  const names = Object.keys(kinds)
  for (const word of words) {
    const [name, value, given] = cut(word.slice(2), '=')
    if (!Object.hasOwn(kinds, name)) throw unknownFlag(name, names)
    const kind = kinds[name as K]
    if (values.has(name) && kind !== 'strings')
      throw fault(`duplicate flag specified: --${name}`, `give --${name} once`)
    if (kind === 'bool' ? given && value === '' : !given)
      throw fault(`missing a value on flag: --${name}`, `write --${name}=…`)
    if (kind === 'bool' && given && !/^(true|false)$/i.test(value))
      throw fault(
        `expecting boolean value for flag --${name}, not: ${value}`,
        `write --${name}, --${name}=true or --${name}=false`,
      )
    const text = kind === 'bool' && !given ? 'true' : value
    values.set(name, [...(values.get(name) ?? []), text])
  }
  return {
    bool: (name) => (values.has(name) ? values.get(name)![0]!.toLowerCase() === 'true' : undefined),
    string: (name) => values.get(name)?.[0] ?? '',
    strings: (name) => values.get(name) ?? [],
  }
}

function unknownFlag(name: string, names: readonly string[]): Error {
  const guess = suggest(name, names)
  return fault(
    `unknown flag: --${name}${guess ? ` (did you mean ${guess}?)` : ''}`,
    guess ? `write --${guess}` : names.length ? `known here: --${names.join(', --')}` : 'this instruction has no flags',
  )
}
