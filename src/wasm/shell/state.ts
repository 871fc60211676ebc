import type { Sha256 } from '../../base/hash.js'
import type { Clock } from '../clock.js'
import type { FillRandom } from '../random.js'
import { ShellError } from './error.js'
import type { Files } from './files.js'
import type { Descriptors } from './streams.js'
import type { Command } from './syntax/ast.js'

/** A variable; `value` is undefined for one that was only exported. */
export interface Variable {
  value: string | undefined
  exported: boolean
  readonly: boolean
}

/** What tools need of the world beside files: each is pure. */
export interface ShellWorld {
  clock: Clock
  random: FillRandom
  sha256: Sha256
  uid: number
  gid: number
}

/** Everything that a subshell has a copy of. */
export class ShellState {
  readonly variables: Map<string, Variable>
  readonly functions: Map<string, Command>
  /** `$1` and on. */
  args: string[]
  /** `$0`. */
  name: string
  /** Letters of `set -e` and the like. */
  readonly options: Set<string>
  status = 0
  readonly files: Files
  readonly descriptors: Descriptors
  /** Commands by name of the signal; only EXIT ever comes. */
  readonly traps: Map<string, string>
  readonly world: ShellWorld
  /** Variables to restore when the functions end, innermost last. */
  readonly locals: Map<string, Variable | undefined>[] = []
  /** Line of the command that runs. */
  line = 1
  /** Depth of functions and sourced files; guards against endless recursion. */
  depth = 0
  getoptsIndex = 0

  constructor(from: {
    variables: Map<string, Variable>
    functions: Map<string, Command>
    args: string[]
    name: string
    options: Set<string>
    files: Files
    descriptors: Descriptors
    traps: Map<string, string>
    world: ShellWorld
  }) {
    this.variables = from.variables
    this.functions = from.functions
    this.args = from.args
    this.name = from.name
    this.options = from.options
    this.files = from.files
    this.descriptors = from.descriptors
    this.traps = from.traps
    this.world = from.world
  }

  /** A subshell's state: changes of it stay in it. */
  fork(): ShellState {
    const copy = new ShellState({
      variables: new Map([...this.variables].map(([name, v]) => [name, { ...v }])),
      functions: new Map(this.functions),
      args: [...this.args],
      name: this.name,
      options: new Set(this.options),
      files: this.files.fork(),
      descriptors: this.descriptors.fork(),
      // What traps do belongs to the shell that set them.
      traps: new Map([...this.traps].filter(([, action]) => action === '')),
      world: this.world,
    })
    copy.status = this.status
    copy.line = this.line
    copy.depth = this.depth
    return copy
  }

  get(name: string): string | undefined {
    if (name === 'LINENO') return String(this.line)
    return this.variables.get(name)?.value
  }

  /** @throws {ShellError} for a variable that is read-only */
  set(name: string, value: string): void {
    const known = this.variables.get(name)
    if (known?.readonly) throw new ShellError(`${name}: is read only`, 2)
    if (name === 'OPTIND') this.getoptsIndex = 0
    if (known) known.value = value
    else this.variables.set(name, { value, exported: this.options.has('a'), readonly: false })
    if (known && this.options.has('a')) known.exported = true
  }

  /** @throws {ShellError} for a variable that is read-only */
  unset(name: string): void {
    if (this.variables.get(name)?.readonly) throw new ShellError(`${name}: is read only`, 2)
    this.variables.delete(name)
  }

  /** What programs are given, `K=V`. */
  environment(): string[] {
    return [...this.variables].flatMap(([name, { value, exported }]) =>
      exported && value !== undefined ? [`${name}=${value}`] : [],
    )
  }
}
