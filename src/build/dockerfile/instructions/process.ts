import type { Node } from '../ast.js'
import { fault } from '../fault.js'
import { parseFlags } from '../flags.js'
import { quote } from '../go-text.js'
import type { CmdInstruction, EntrypointInstruction, ShellInstruction } from '../instruction.js'
import { argsOf, atLeastOne, commandOf, common } from './request.js'

export function parseCmd(node: Node): CmdInstruction {
  parseFlags(node.flags, {})
  return { ...common(node), type: 'cmd', command: commandOf(node) }
}

export function parseEntrypoint(node: Node): EntrypointInstruction {
  parseFlags(node.flags, {})
  return { ...common(node), type: 'entrypoint', command: commandOf(node) }
}

/** SHELL: the program that the shell form runs, as a JSON list. */
export function parseShell(node: Node): ShellInstruction {
  parseFlags(node.flags, {})
  const shell = argsOf(node)
  if (shell.length === 0) throw atLeastOne(node, 'SHELL ["/bin/sh", "-c"]')
  if (!node.json) {
    const list = shell[0]!.split(/\s+/).map(quote).join(', ')
    throw fault('SHELL requires the arguments to be in JSON form', `write SHELL [${list}]`)
  }
  return { ...common(node), type: 'shell', shell }
}
