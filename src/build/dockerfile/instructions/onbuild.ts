import type { Node } from '../ast.js'
import { fault } from '../fault.js'
import { parseFlags } from '../flags.js'
import type { OnbuildInstruction } from '../instruction.js'
import { atLeastOne, common } from './request.js'

/** ONBUILD: an instruction kept as text for the builds that start from this image. */
export function parseOnbuild(node: Node): OnbuildInstruction {
  const inner = node.args[0]?.child
  if (!inner) throw atLeastOne(node, 'ONBUILD RUN command')
  parseFlags(node.flags, {})
  const keyword = inner.value.toUpperCase()
  if (keyword === 'ONBUILD') throw fault("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", 'write ONBUILD once')
  if (keyword === 'MAINTAINER' || keyword === 'FROM')
    throw fault(
      `${keyword} isn't allowed as an ONBUILD trigger`,
      `write ${keyword} in the Dockerfile that builds on it`,
    )
  const text = node.original.replace(/^[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*/i, '')
  const heredocs = node.heredocs.map((h) => `\n${h.content}${h.name}`).join('')
  return { ...common(node), type: 'onbuild', expression: text + heredocs }
}
