import { TemplateError } from './error.js'
import { ArgumentTypeError, FUNCTIONS, type TemplateFunction } from './functions.js'
import { type Command, type Node, type Operand, type Pipe, parseTemplate } from './parser.js'
import { entriesOf, formatValue, isStruct, isTrue, Nil, typeName } from './value.js'

/** A parsed template: give it the value of `.` and get the text. */
export type Template = (data: unknown) => string

/**
 * Parses a Go template as docker's `--format` has them: pipelines, variables, `if`, `with`, `range`, Go's functions and
 * docker's (`json`, `join`, `split`, `title`, `lower`, `upper`, `pad`, `truncate`).
 *
 * @param functions replace built-in ones of the same name
 * @throws {TemplateError} at once for the grammar, from the returned function for what the data lacks
 * @see value.ts for how Go's values are represented
 */
export function compileTemplate(text: string, functions: Record<string, TemplateFunction> = {}): Template {
  const known = { ...FUNCTIONS, ...functions }
  const nodes = parseTemplate(text, new Set([...Object.keys(known), 'and', 'or']))
  return (data) => new Evaluator(text, known, data).run(nodes)
}

type Flow = 'break' | 'continue' | undefined

class Evaluator {
  private readonly text: string
  private readonly functions: Readonly<Record<string, TemplateFunction>>
  private readonly variables: { name: string; value: unknown }[]
  private readonly root: unknown
  private out = ''

  constructor(text: string, functions: Readonly<Record<string, TemplateFunction>>, data: unknown) {
    this.text = text
    this.functions = functions
    this.root = data
    this.variables = [{ name: '$', value: data }]
  }

  run(nodes: readonly Node[]): string {
    this.walk(nodes, this.root)
    return this.out
  }

  private walk(nodes: readonly Node[], dot: unknown): Flow {
    for (const node of nodes) {
      const flow = this.node(node, dot)
      if (flow) return flow
    }
    return undefined
  }

  private node(node: Node, dot: unknown): Flow {
    switch (node.kind) {
      case 'text':
        this.out += node.value
        return undefined
      case 'action': {
        const value = this.pipe(node.pipe, dot)
        if (!node.pipe.declared.length)
          this.out += value === undefined || value === null ? '<no value>' : formatValue(value)
        return undefined
      }
      case 'if':
      case 'with':
        return this.scoped(() => {
          const value = this.pipe(node.pipe, dot)
          if (isTrue(value)) return this.walk(node.body, node.kind === 'with' ? value : dot)
          return this.walk(node.otherwise, dot)
        })
      case 'range':
        return this.scoped(() => this.range(node, dot))
      default:
        return node.kind
    }
  }

  private range(node: Extract<Node, { pipe: Pipe; body: Node[] }>, dot: unknown): Flow {
    const declared = node.pipe.declared
    const value = this.pipe({ ...node.pipe, declared: [] }, dot)
    const entries = entriesOf(value)
    if (!entries) this.fail(node.pipe.commands[0]!, `range can't iterate over ${formatValue(value)}`)
    if (!entries.length) return this.walk(node.otherwise, dot)
    for (const [key, element] of entries) {
      const names = declared.length === 2 ? [key, element] : [element]
      const flow = this.scoped(() => {
        declared.forEach((name, i) => void this.bind(name, names[i], node.pipe.assigns))
        return this.walk(node.body, element)
      })
      if (flow === 'break') break
    }
    return undefined
  }

  private scoped(body: () => Flow): Flow {
    const depth = this.variables.length
    try {
      return body()
    } finally {
      this.variables.length = depth
    }
  }

  private bind(name: string, value: unknown, assigns: boolean): void {
    if (assigns) this.variables.findLast((v) => v.name === name)!.value = value
    else this.variables.push({ name, value })
  }

  private pipe(pipe: Pipe, dot: unknown): unknown {
    let value: unknown
    pipe.commands.forEach((command, i) => {
      value = this.command(command, dot, i > 0 ? [value] : [])
    })
    for (const name of pipe.declared) this.bind(name, value, pipe.assigns)
    return value
  }

  /** @param piped the value of the command before it, as the last argument; empty for the first command */
  private command(command: Command, dot: unknown, piped: readonly unknown[]): unknown {
    const [head, ...rest] = command.operands
    if (head!.kind === 'function') return this.call(head!.name, command, rest, dot, piped)
    if (rest.length || piped.length) this.fail(head!, `can't give argument to non-function ${head!.raw}`)
    if (head!.kind === 'nil') this.fail(command, 'nil is not a command')
    return this.operand(head!, dot)
  }

  private call(name: string, command: Command, rest: Operand[], dot: unknown, piped: readonly unknown[]): unknown {
    if (name === 'and' || name === 'or') return this.shortCircuit(name === 'or', rest, dot, piped)
    const args = [...rest.map((o) => this.operand(o, dot)), ...piped]
    const f = this.functions[name]!
    if (f.length > args.length) {
      this.fail(command, `wrong number of args for ${name}: want ${f.length} got ${args.length}`)
    }
    try {
      return f(...args)
    } catch (err) {
      if (err instanceof ArgumentTypeError) return this.fail(rest[err.index] ?? command, err.message)
      return this.fail(command, `error calling ${name}: ${(err as Error).message}`)
    }
  }

  private shortCircuit(stopOn: boolean, rest: Operand[], dot: unknown, piped: readonly unknown[]): unknown {
    let value: unknown
    for (const o of rest) {
      value = this.operand(o, dot)
      if (isTrue(value) === stopOn) return value
    }
    return piped.length ? piped[0] : value
  }

  private operand(o: Operand, dot: unknown): unknown {
    switch (o.kind) {
      case 'dot':
        return dot
      case 'nil':
        return undefined
      case 'constant':
        return o.value
      case 'variable':
        return this.variables.findLast((v) => v.name === o.name)?.value
      case 'pipeline':
        return this.pipe(o.pipe, dot)
      case 'function':
        return this.call(o.name, { operands: [o], at: o.at, raw: o.raw }, [], dot, [])
      case 'field':
        return this.field(o, this.operand(o.of, dot))
    }
  }

  private field(o: Operand & { kind: 'field' }, of: unknown): unknown {
    if (of instanceof Map) return of.get(o.name)
    if (of instanceof Nil && of.of === 'map') return undefined
    if (of === undefined || of === null) this.fail(o, `nil data; no entry for key "${o.name}"`)
    if (isStruct(of) && Object.hasOwn(of, o.name)) return of[o.name]
    const at = o.of.kind === 'field' ? o.at + o.of.raw.length : o.at
    return this.fail({ at, raw: o.raw }, `can't evaluate field ${o.name} in type ${typeName(of)}`)
  }

  private fail(at: { at: number; raw: string }, message: string): never {
    throw new TemplateError(this.text, at.at, message, at.raw)
  }
}
