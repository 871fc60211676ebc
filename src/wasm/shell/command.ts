import type { HostFd } from '../host/fd.js'
import type { Files } from './files.js'
import type { ShellState, ShellWorld } from './state.js'
import type { Writer } from './streams.js'
import type { List } from './syntax/ast.js'

/** What a tool (`cp`, `grep`, …) is given: its streams and the file system, and nothing of the shell. */
export interface ToolContext {
  /** As it was called; error messages begin with it. */
  name: string
  files: Files
  /** `K=V` by name. */
  env: ReadonlyMap<string, string>
  stdin: HostFd
  out: Writer
  /** Writes a line to standard error, after the tool's name. */
  warn(message: string): void
  world: ShellWorld
  /** Whether there is a tool of the name. */
  knows(name: string): boolean
  /**
   * Runs another command, for `xargs`, `find -exec` and `env`.
   *
   * @returns its status; 127 where there is none of the name
   */
  run(args: readonly string[], options?: RunOptions): number
}

export interface RunOptions {
  /** What it reads; the caller's own where undefined. */
  stdin?: Uint8Array | undefined
  /** Environment instead of the caller's. */
  env?: ReadonlyMap<string, string> | undefined
  cwd?: string | undefined
}

/** A program that is a function. @returns its exit status; throws VfsError or ToolError for what fails as a whole */
export type Tool = (args: readonly string[], context: ToolContext) => number

/** A tool that fails as a whole. */
export class ToolError extends Error {
  readonly status: number

  constructor(message: string, status = 1) {
    super(message)
    this.name = 'ToolError'
    this.status = status
  }
}

/** What a builtin is given: the shell itself. */
export interface BuiltinContext {
  name: string
  state: ShellState
  stdin: HostFd
  out: Writer
  /** Loops around it. */
  loops: number
  warn(message: string): void
  /** Parses and runs text in this shell. @returns its status */
  evaluate(text: string): number
  /** Runs a parsed list in this shell. */
  runList(list: List): number
  /** Runs a command by name, functions left out. */
  runCommand(args: readonly string[]): number
  /** What a name means: `builtin`, `function`, `tool`, or the path of a program. */
  lookup(name: string): Meaning | undefined
}

export type Meaning = { kind: 'special' | 'builtin' | 'function' | 'tool' } | { kind: 'program'; path: string }

/** A builtin of the shell. @returns its status */
export type Builtin = (args: readonly string[], context: BuiltinContext) => number
