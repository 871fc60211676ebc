import type { TsboxError } from '../../../base/error.js'
import type { Node } from '../ast.js'
import { fault } from '../fault.js'
import { trimSpace } from '../go-text.js'
import type { CommandForm, Instruction } from '../instruction.js'

type Fields = 'keyword' | 'original' | 'location' | 'comments' | 'onbuild'

/** The fields that every instruction takes over from its node. */
export function common(node: Node): Pick<Instruction, Fields> {
  return {
    keyword: node.value,
    original: trimSpace(node.original),
    location: node.location,
    comments: node.comments,
    onbuild: false,
  }
}

/** Texts of a node's arguments. */
export function argsOf(node: Node): string[] {
  return node.args.map((a) => a.value)
}

/** A command in the form it was written in; `args` defaults to all of the node's. */
export function commandOf(node: Node, args = argsOf(node)): CommandForm {
  return node.json ? { json: true, args } : { json: false, text: args.join(' ') }
}

export function needsOne(node: Node, example: string): string {
  const args = argsOf(node)
  if (args.length !== 1) throw fault(`${node.value.toUpperCase()} requires exactly one argument`, `write ${example}`)
  return args[0]!
}

export function atLeastOne(node: Node, example: string): TsboxError {
  return fault(`${node.value.toUpperCase()} requires at least one argument`, `write ${example}`)
}

/** The rest of the first comment line that starts with `name` and a blank: a description. */
export function describedAs(comments: readonly string[], name: string): string {
  if (name === '') return ''
  const line = comments.find((c) => c.startsWith(`${name} `))
  return line === undefined ? '' : line.slice(name.length + 1)
}
