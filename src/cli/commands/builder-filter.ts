import type { CacheFilter } from '../../engine/api.js'
import { parseSpan } from '../point-in-time.js'
import { UsageError } from '../usage-error.js'

const TYPES = ['regular', 'exec.cachemount', 'source.local', 'internal']
const FLAGS = { inuse: 'inUse', mutable: 'mutable', shared: 'shared' } as const
/** Flags that say the opposite of another. */
const OPPOSITES = { immutable: 'mutable', private: 'shared' } as const

/**
 * Reads `--filter` of `du` and `prune`: `until=24h`, `type=regular`, `id=REGEXP`, `description=REGEXP`, and the flags
 * `inuse`, `mutable`, `immutable`, `shared`, `private`, alone or with a boolean.
 *
 * @throws {UsageError}
 * @see docker/buildx commands/prune.go, toBuildkitPruneInfo
 */
export function parseCacheFilter(texts: readonly string[]): CacheFilter {
  const filter = {
    id: [] as RegExp[],
    description: [] as RegExp[],
    type: [] as string[],
    flags: [] as CacheFilter['flags'][number][],
  }
  let untilMs: number | undefined
  for (const text of texts) {
    const [, key, operator, value] = /^([\w-]+)(?:(~=|!=|==|=)(.*))?$/s.exec(text) ?? []
    const refuse = (reason: string) => new UsageError(`invalid argument "${text}" for "--filter" flag: ${reason}`)
    if (key === undefined) throw refuse('write it as KEY=VALUE')
    if (key === 'until' || key === 'unused-for') untilMs = durationOf(value, refuse)
    else if (key === 'id' || key === 'description') filter[key].push(patternOf(value, operator, refuse))
    else if (key === 'type') filter.type.push(...typesOf(value, operator, refuse))
    else filter.flags.push(flagOf(key, value, operator, refuse))
  }
  return { ...filter, untilMs }
}

type Refuse = (reason: string) => UsageError

function durationOf(text: string | undefined, refuse: Refuse): number {
  const span = parseSpan(text ?? '')
  if (span === undefined) throw refuse('until is a duration such as 24h or 1h30m')
  return span
}

function patternOf(value: string | undefined, operator: string | undefined, refuse: Refuse): RegExp {
  if (!value) throw refuse('a value must follow')
  const escaped = value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  if (operator === '==') return new RegExp(`^${escaped}$`)
  if (operator === '!=') return new RegExp(`^(?!${escaped}$)`)
  try {
    return new RegExp(value)
  } catch {
    throw refuse('it is no regular expression')
  }
}

function typesOf(value: string | undefined, operator: string | undefined, refuse: Refuse): string[] {
  if (!value || !TYPES.includes(value)) throw refuse(`types are ${TYPES.join(', ')}`)
  if (operator === '~=') throw refuse('a type has no pattern')
  return operator === '!=' ? TYPES.filter((t) => t !== value) : [value]
}

function flagOf(
  key: string,
  value: string | undefined,
  operator: string | undefined,
  refuse: Refuse,
): CacheFilter['flags'][number] {
  const opposite = key in OPPOSITES
  const name = opposite ? OPPOSITES[key as keyof typeof OPPOSITES] : FLAGS[key as keyof typeof FLAGS]
  if (name === undefined)
    throw refuse('keys are until, id, type, description, inuse, mutable, immutable, shared, private')
  if (value !== undefined && !/^(true|false|1|0)$/.test(value)) throw refuse('it is true or false')
  const said = value === undefined || value === 'true' || value === '1'
  return { name, value: (said !== (operator === '!=')) !== opposite }
}
