import type { Node } from '../ast.js'
import { fault } from '../fault.js'
import { parseFlags } from '../flags.js'
import { chompHeredoc, heredocMark } from '../heredoc.js'
import type { AddInstruction, CopyInstruction, InlineSource } from '../instruction.js'
import { argsOf, common } from './request.js'

/** COPY: files of the context, of a stage or an image, or from here-documents. */
export function parseCopy(node: Node): CopyInstruction {
  needsTwo(node)
  const flags = parseFlags(node.flags, {
    from: 'string',
    chown: 'string',
    chmod: 'string',
    link: 'bool',
    parents: 'bool',
    exclude: 'strings',
  })
  const from = flags.string('from')
  if (/\$./.test(from))
    throw fault(
      'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
      `write FROM ${from} AS name above, then --from=name`,
    )
  return {
    ...common(node),
    type: 'copy',
    ...sourcesAndDest(node),
    from,
    chown: flags.string('chown'),
    chmod: flags.string('chmod'),
    link: flags.bool('link') ?? false,
    parents: flags.bool('parents') ?? false,
    exclude: flags.strings('exclude'),
  }
}

/** ADD: as COPY from the context, and URLs, git repositories, archives. */
export function parseAdd(node: Node): AddInstruction {
  needsTwo(node)
  const flags = parseFlags(node.flags, {
    chown: 'string',
    chmod: 'string',
    link: 'bool',
    'keep-git-dir': 'bool',
    checksum: 'string',
    unpack: 'bool',
    exclude: 'strings',
  })
  return {
    ...common(node),
    type: 'add',
    ...sourcesAndDest(node),
    chown: flags.string('chown'),
    chmod: flags.string('chmod'),
    link: flags.bool('link') ?? false,
    keepGitDir: flags.bool('keep-git-dir'),
    checksum: flags.string('checksum'),
    unpack: flags.bool('unpack'),
    exclude: flags.strings('exclude'),
  }
}

function needsTwo(node: Node): void {
  if (node.args.length >= 2) return
  const keyword = node.value.toUpperCase()
  const only = node.args[0]?.value ?? 'source'
  throw fault(
    `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
    `write ${keyword} ${only} destination, for example ${keyword} ${only} ./`,
  )
}

function sourcesAndDest(node: Node): { sources: string[]; inline: InlineSource[]; dest: string } {
  const words = argsOf(node)
  const dest = words.pop()!
  if (heredocMark(dest))
    throw fault(
      `${node.value.toUpperCase()} cannot accept a heredoc as a destination`,
      `put the destination last: ${node.value.toUpperCase()} ${dest} /path`,
    )
  const contents = new Map(node.heredocs.map((h) => [h.name, h.content]))
  const sources: string[] = []
  const inline: InlineSource[] = []
  for (const word of words) {
    const mark = heredocMark(word)
    if (!mark) sources.push(word)
    else {
      const content = contents.get(mark.name) ?? ''
      inline.push({ path: mark.name, data: mark.chomp ? chompHeredoc(content) : content, expand: mark.expand })
    }
  }
  return { sources, inline, dest }
}
