import type { Engine, EngineOptions } from '../engine/api.js'

/** Where text and bytes go. Writes are complete when they return, so an exit loses nothing. */
export interface Output {
  write(data: string | Uint8Array): void
  readonly isTerminal: boolean
  /** Width of the terminal; 80 where there is none. */
  columns(): number
  /** Height of the terminal; 24 where there is none. */
  rows(): number
}

/** What the process gives the command line; tests give their own. */
export interface Shell {
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  stdout: Output
  stderr: Output
  stdin: { readonly isTerminal: boolean; stream(): AsyncIterable<Uint8Array> }
  /** Milliseconds since 1970. */
  now(): number
  /** Calls back on every SIGINT, SIGTERM and SIGHUP until the returned function is called. */
  onInterrupt(callback: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => void): () => void
  openEngine(options: EngineOptions): Promise<Engine>
}

/** What a command is given beside its arguments. */
export interface Context {
  shell: Shell
  /** The engine, opened when first asked for and closed after the command. */
  engine(): Promise<Engine>
  /** `--debug`: stacks of expected errors too. */
  debug: boolean
  /** Path of a file named by the user. */
  resolve(path: string): string
  /** Name under which the command was called, for messages: `tsbox image ls`. */
  name: string
}
