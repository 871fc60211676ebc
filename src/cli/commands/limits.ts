import { parseSize } from '../../build/dockerfile/size.js'
import type { Ulimit } from '../../engine/api.js'
import { RLIMITS, type RlimitName } from '../../rootless/plan.js'
import { UsageError } from '../usage-error.js'

function wrong(option: string, value: string, reason: string): UsageError {
  return new UsageError(`invalid argument "${value}" for "--${option}" flag: ${reason}`)
}

/** `--shm-size`: bytes, or with a unit as `64m`. */
export function parseShmSize(text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined) throw wrong('shm-size', text, `invalid size: '${text}'`)
  // A tmpfs of no size has no limit, which nobody means.
  if (bytes === 0) throw wrong('shm-size', text, 'it must be more than 0')
  return bytes
}

/**
 * `--ulimit NAME=SOFT[:HARD]`, -1 for no limit; the last of a name counts.
 *
 * @see docker/go-units ParseUlimit, whose words these are
 */
export function parseUlimits(texts: readonly string[]): Ulimit[] {
  const limits = new Map(texts.map((text) => [text.split('=')[0], parseUlimit(text)]))
  return [...limits.values()]
}

function parseUlimit(text: string): Ulimit {
  const refuse = (reason: string) => wrong('ulimit', text, reason)
  const [name = '', values] = text.split(/=(.*)/s) as [string, string | undefined]
  if (values === undefined) throw refuse(`invalid ulimit argument: ${text}`)
  if (!Object.hasOwn(RLIMITS, name)) throw refuse(`invalid ulimit type: ${name}`)
  if (name === 'locks') throw refuse('the kernel has no limit of file locks any more (getrlimit(2))')
  const numbers = values.split(':')
  if (numbers.length > 2)
    throw refuse(`too many limit value arguments - ${values}, can only have up to two, \`soft[:hard]\``)
  const [soft, hard] = numbers.map((n) => limitOf(n, refuse)) as [number, number | undefined]
  if (hard !== undefined && soft > hard)
    throw refuse(`ulimit soft limit must be less than or equal to hard limit: ${numbers[0]} > ${numbers[1]}`)
  return { name: name as RlimitName, soft, hard: hard ?? soft }
}

function limitOf(text: string, refuse: (reason: string) => UsageError): number {
  if (text === '-1') return Number.POSITIVE_INFINITY
  if (!/^\d{1,15}$/.test(text)) throw refuse(`not a number, nor -1 for no limit: ${JSON.stringify(text)}`)
  return Number(text)
}
