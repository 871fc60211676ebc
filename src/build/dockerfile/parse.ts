import { TsboxError } from '../../base/error.js'
import type { Tree } from './ast.js'
import { readDirectives, refuseForeignSyntax } from './directive.js'
import { fault, locate, located, type SourceFile } from './fault.js'
import { trimSpace } from './go-text.js'
import type { ArgInstruction, Dockerfile, Stage, StageInstruction } from './instruction.js'
import { parseNode } from './instructions/index.js'
import { describedAs } from './instructions/request.js'
import { parseTree } from './parse-tree.js'

/** Settings of {@link parseDockerfile}. */
export interface ParseOptions {
  /** Name for messages. */
  file: string
  /** Read the file as a Dockerfile whatever `# syntax=` names. */
  anySyntax?: boolean
  /** Takes the place of `# syntax=` (the build argument BUILDKIT_SYNTAX). */
  syntax?: string | undefined
}

/**
 * Reads a Dockerfile.
 *
 * @throws TsboxError E_DOCKERFILE with a location, also for a `# syntax=` that names another language
 */
export function parseDockerfile(text: string, options: ParseOptions): Dockerfile {
  const source: SourceFile = { file: options.file, text }
  if (text === '') throw located(source, 1, fault('the Dockerfile cannot be empty', 'start with FROM'))
  if (options.syntax)
    refuseForeignSyntax(
      { syntax: trimSpace(options.syntax).split(' ')[0] },
      'leave out the build argument BUILDKIT_SYNTAX',
    )
  const directives = locate(source, { line: 1, endLine: 1 }, () => {
    const read = readDirectives(text)
    if (!options.anySyntax && !options.syntax) refuseForeignSyntax(read)
    return read
  })
  const tree = parseTree(source)
  const { metaArgs, stages } = parseStages(source, tree)
  if (stages.length === 0)
    throw located(
      source,
      tree.children.at(-1)!.location.endLine,
      fault('dockerfile contains no stages to build', 'add FROM image'),
    )
  return { ...source, escape: tree.escape, directives, metaArgs, stages, warnings: tree.warnings }
}

/** The stages of a tree, and the ARGs above the first. */
export function parseStages(source: SourceFile, tree: Tree): Pick<Dockerfile, 'metaArgs' | 'stages'> {
  const metaArgs: ArgInstruction[] = []
  const stages: Stage[] = []
  for (const node of tree.children) {
    locate(source, node.location, () => {
      const instruction = parseNode(node)
      const stage = stages.at(-1)
      if (instruction.type === 'from')
        stages.push({
          name: instruction.name,
          base: instruction.base,
          platform: instruction.platform,
          from: instruction,
          instructions: [],
          location: instruction.location,
          doc: describedAs(instruction.comments, instruction.name),
        })
      else if (stage) stage.instructions.push(instruction)
      else if (instruction.type === 'arg') metaArgs.push(instruction)
      else throw fault('no build stage in current context', 'only ARG may stand above the first FROM')
    })
  }
  return { metaArgs, stages }
}

/**
 * Reads an ONBUILD trigger as an image's config holds it, here-documents included. Its lines join with a backslash,
 * whatever the escape character of the Dockerfile that runs it.
 *
 * @returns the instruction; its location counts lines of the trigger
 * @throws TsboxError E_DOCKERFILE without a location: the trigger stands in no file
 */
export function parseInstruction(text: string): StageInstruction {
  try {
    const tree = parseTree({ file: 'ONBUILD', text })
    if (tree.children.length !== 1) throw fault('onbuild trigger should be a single expression')
    const instruction = parseNode(tree.children[0]!)
    if (instruction.type === 'from') throw fault("FROM isn't allowed as an ONBUILD trigger")
    return instruction
  } catch (err) {
    if (!(err instanceof TsboxError)) throw err
    throw fault(err.message, `the base image asks for it with ONBUILD: ${text.split('\n')[0]}`)
  }
}
