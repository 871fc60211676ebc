import type { StageInstruction } from '../dockerfile/instruction.js'
import type { PlanOptions } from './plan-options.js'
import type { Op, Vertex } from './vertex.js'

/** What dispatching one instruction needs of the plan around it. */
export interface DispatchContext {
  options: PlanOptions
  /** Default values of ARGs before the first FROM. */
  metaArgs: ReadonlyMap<string, string | undefined>
  /** Resolves `--from` of COPY and mounts: a stage, an index, a named context, an image; `''` is the build context. */
  source(from: string): Promise<Vertex>
  /** Makes a vertex and names it; one with an empty title is not shown. */
  vertex(op: Op, inputs: readonly Vertex[], title: string): Vertex
  /** What progress shows of the instruction. */
  title(instruction: StageInstruction): string
  /** Expands a default value of ARG against what is set now. */
  expand(word: string): string
}
