import type { Node, Tree } from './ast.js'
import { quote, trimSpace } from './go-text.js'

/** The tree as S-expressions, the form in which BuildKit prints its own. */
export function dumpTree(tree: Tree): string {
  return tree.children.map((c) => `(${dumpNode(c)})`).join('\n')
}

/** One node, without its parentheses. */
export function dumpNode(node: Node): string {
  let out = node.value.toLowerCase()
  if (node.flags.length) out += ` [${node.flags.map(quote).join(' ')}]`
  for (const arg of node.args) out += arg.child ? ` (${dumpNode(arg.child)})` : ` ${quote(arg.value)}`
  return trimSpace(out)
}
