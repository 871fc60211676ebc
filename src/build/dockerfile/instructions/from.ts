import type { Node } from '../ast.js'
import { fault } from '../fault.js'
import { parseFlags } from '../flags.js'
import { quote } from '../go-text.js'
import type { FromInstruction } from '../instruction.js'
import { argsOf, common } from './request.js'

const STAGE_NAME = /^[a-z][a-z0-9\-_.]*$/

/** FROM: a base, perhaps a name. */
export function parseFrom(node: Node): FromInstruction {
  const args = argsOf(node)
  const named = args.length === 3 && args[1]!.toLowerCase() === 'as'
  if (!named && args.length !== 1)
    throw fault('FROM requires either one or three arguments', 'write FROM image or FROM image AS name')
  const name = named ? args[2]!.toLowerCase() : ''
  if (named && !STAGE_NAME.test(name))
    throw fault(
      `invalid name for build stage: ${quote(args[2]!)}, name can't start with a number or contain symbols`,
      'a name is a letter, then letters, digits, "-", "_" and "."',
    )
  const flags = parseFlags(node.flags, { platform: 'string' })
  return {
    ...common(node),
    type: 'from',
    base: args[0]!,
    platform: flags.string('platform'),
    name,
    asKeyword: named ? args[1] : undefined,
    originalName: named ? args[2]! : '',
  }
}
