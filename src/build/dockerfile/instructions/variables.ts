import type { Node } from '../ast.js'
import { fault } from '../fault.js'
import { parseFlags } from '../flags.js'
import { cut } from '../go-text.js'
import type { ArgInstruction, EnvInstruction, KeyValue, LabelInstruction } from '../instruction.js'
import { argsOf, atLeastOne, common, describedAs } from './request.js'

/** ARG: names, each perhaps with a default. */
export function parseArg(node: Node): ArgInstruction {
  if (node.args.length === 0) throw atLeastOne(node, 'ARG name or ARG name=default')
  const args = argsOf(node).map((word) => {
    const [key, value, found] = cut(word, '=')
    if (found && key === '') throw fault('ARG names can not be blank', 'write ARG name=default')
    return { key, value: found ? value : undefined, doc: describedAs(node.comments, key) }
  })
  return { ...common(node), type: 'arg', args }
}

export function parseEnv(node: Node): EnvInstruction {
  parseFlags(node.flags, {})
  return { ...common(node), type: 'env', pairs: pairsOf(node) }
}

export function parseLabel(node: Node): LabelInstruction {
  parseFlags(node.flags, {})
  return { ...common(node), type: 'label', pairs: pairsOf(node) }
}

function pairsOf(node: Node): KeyValue[] {
  const keyword = node.value.toUpperCase()
  const args = argsOf(node)
  if (args.length === 0) throw atLeastOne(node, `${keyword} name=value`)
  const pairs: KeyValue[] = []
  for (let i = 0; i < args.length; i += 3) {
    if (args[i] === '') throw fault(`${keyword} names can not be blank`, `write ${keyword} name=value`)
    pairs.push({ key: args[i]!, value: args[i + 1]!, delimited: args[i + 2] === '=' })
  }
  return pairs
}
