import type { Node } from '../ast.js'
import { parseDuration } from '../duration.js'
import { fault } from '../fault.js'
import { type FlagValues, parseFlags } from '../flags.js'
import { quote } from '../go-text.js'
import type { HealthcheckInstruction } from '../instruction.js'
import { argsOf, atLeastOne, common } from './request.js'

const KINDS = {
  interval: 'string',
  timeout: 'string',
  'start-period': 'string',
  'start-interval': 'string',
  retries: 'string',
} as const
type Flags = FlagValues<keyof typeof KINDS>
const MINIMUM_NS = 1_000_000

/** HEALTHCHECK: NONE, or CMD and how often. */
export function parseHealthcheck(node: Node): HealthcheckInstruction {
  const [kind, ...args] = argsOf(node)
  if (kind === undefined) throw atLeastOne(node, 'HEALTHCHECK CMD command or HEALTHCHECK NONE')
  if (kind.toUpperCase() === 'NONE') {
    if (args.length) throw fault('HEALTHCHECK NONE takes no arguments', 'write HEALTHCHECK NONE alone')
    return { ...common(node), type: 'healthcheck', test: ['NONE'], ...timing(parseFlags([], KINDS)) }
  }
  const flags = parseFlags(node.flags, KINDS)
  if (kind.toUpperCase() !== 'CMD')
    throw fault(
      `Unknown type ${quote(kind.toUpperCase())} in HEALTHCHECK (try CMD)`,
      `write HEALTHCHECK CMD ${[kind, ...args].join(' ')}`,
    )
  if (args.length === 0) throw fault('Missing command after HEALTHCHECK CMD', 'write HEALTHCHECK CMD command')
  const test = node.json ? ['CMD', ...args] : ['CMD-SHELL', args.join(' ')]
  return { ...common(node), type: 'healthcheck', test, ...timing(flags) }
}

function timing(flags: Flags) {
  return {
    intervalNs: interval(flags, 'interval'),
    timeoutNs: interval(flags, 'timeout'),
    startPeriodNs: interval(flags, 'start-period'),
    startIntervalNs: interval(flags, 'start-interval'),
    retries: retriesOf(flags.string('retries')),
  }
}

function interval(flags: Flags, name: keyof typeof KINDS): number {
  const text = flags.string(name)
  if (text === '') return 0
  const ns = parseDuration(text)
  if (ns !== 0 && ns < MINIMUM_NS)
    throw fault(`Interval ${quote(name)} cannot be less than 1ms`, `write --${name}=1ms or more`)
  return ns
}

function retriesOf(text: string): number {
  if (text === '') return 0
  const count = Number(text)
  if (!/^[+-]?\d+$/.test(text) || Math.abs(count) >= 2 ** 31)
    throw fault(`invalid value for --retries: ${quote(text)} is not a whole number`, 'write --retries=3')
  if (count < 0) throw fault(`--retries cannot be negative (${count})`, 'write --retries=3')
  return count
}
