import { TsboxError } from '../../base/error.js'
import type { ContainerFilters, ContainerSummary } from '../api.js'

type Match = (c: ContainerSummary, value: string, all: readonly ContainerSummary[]) => boolean

/** Values of one key are alternatives, but for labels, which must all be there. @see docker ps --filter */
const MATCHES: Readonly<Record<string, Match>> = {
  id: (c, value) => c.id.startsWith(value),
  name: (c, value) => pattern(value).test(c.name) || pattern(value).test(`/${c.name}`),
  label: (c, value) => {
    const [key, wanted] = split(value)
    return Object.hasOwn(c.labels, key) && (wanted === undefined || c.labels[key] === wanted)
  },
  status: (c, value) => {
    if (['created', 'running', 'paused', 'exited'].includes(value)) return c.status === value
    // States that docker has, and a container here never is in.
    if (['restarting', 'removing', 'dead'].includes(value)) return false
    throw invalid('status', value)
  },
  exited: (c, value) => {
    if (!/^\d+$/.test(value)) throw invalid('exited', value)
    return c.status === 'exited' && c.exitCode === Number(value)
  },
  ancestor: (c, value) =>
    c.image === value ||
    c.image === `${value}:latest` ||
    `${c.image}:latest` === value ||
    (c.imageID ?? '').replace(/^sha256:/, '').startsWith(value.replace(/^sha256:/, '')),
  volume: (c, value) => c.mounts.includes(value),
  network: (c, value) => c.network === value,
  // There are none here: what has no health check is `none`, no port is published, nothing is of a swarm.
  health: (_, value) => value === 'none',
  expose: () => false,
  publish: () => false,
  'is-task': (_, value) => value === 'false',
  before: (c, value, all) => c.created < one(all, value).created,
  since: (c, value, all) => c.created > one(all, value).created,
  until: (c, value) => Date.parse(c.created) < Number(value),
}

/**
 * Docker's `--filter`s as one question.
 *
 * @param filters `until` in milliseconds since 1970
 * @throws TsboxError E_FILTER
 */
export function containerFilter(
  filters: ContainerFilters,
  all: readonly ContainerSummary[],
): (c: ContainerSummary) => boolean {
  for (const key of Object.keys(filters))
    if (!Object.hasOwn(MATCHES, key) && key !== 'label!')
      throw new TsboxError('E_FILTER', `invalid filter '${key}'`, {
        hint: `known are ${Object.keys(MATCHES).join(', ')}`,
      })
  return (c) =>
    Object.entries(filters).every(([key, values]) => {
      if (key === 'label!') return !values.some((v) => MATCHES.label!(c, v, all))
      const matches = (value: string) => MATCHES[key]!(c, value, all)
      return key === 'label' ? values.every(matches) : values.some(matches)
    })
}

function split(value: string): [key: string, value: string | undefined] {
  const eq = value.indexOf('=')
  return eq < 0 ? [value, undefined] : [value.slice(0, eq), value.slice(eq + 1)]
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch {
    throw invalid('name', text)
  }
}

function one(all: readonly ContainerSummary[], name: string): ContainerSummary {
  const found = all.find((c) => c.name === name || c.id.startsWith(name))
  if (found) return found
  throw new TsboxError('E_CONTAINER_NOT_FOUND', `No such container: ${name}`, { hint: 'tsbox ps -a lists them' })
}

function invalid(key: string, value: string): TsboxError {
  return new TsboxError('E_FILTER', `invalid filter '${key}=${value}'`)
}
