import type { Node } from '../ast.js'
import { parseDevice } from '../device.js'
import { fault, faultWithGuess } from '../fault.js'
import { parseFlags } from '../flags.js'
import { quote } from '../go-text.js'
import type { RunInstruction } from '../instruction.js'
import { unexpandedMount } from '../mount.js'
import { commandOf, common } from './request.js'

const NETWORKS = ['default', 'none', 'host'] as const
const SECURITY = ['sandbox', 'insecure'] as const

/** RUN: a command or here-documents, with what it may see beside the image. */
export function parseRun(node: Node): RunInstruction {
  const flags = parseFlags(node.flags, {
    mount: 'strings',
    network: 'string',
    security: 'string',
    device: 'strings',
  })
  return {
    ...common(node),
    type: 'run',
    command: commandOf(node),
    heredocs: node.heredocs,
    mounts: flags.strings('mount').map(unexpandedMount),
    network: oneOf('network mode', flags.string('network'), NETWORKS),
    security: oneOf('security mode', flags.string('security'), SECURITY),
    devices: flags.strings('device').map(parseDevice),
  }
}

function oneOf<T extends string>(what: string, value: string, options: readonly T[]): T | '' {
  if (value === '' || (options as readonly string[]).includes(value)) return value as T | ''
  if (value.includes('$')) throw fault(`${what} ${quote(value)} is not valid`, 'this flag takes no variables')
  throw faultWithGuess(`${what} ${quote(value)} is not valid`, value, options, { hint: `one of ${options.join(', ')}` })
}
