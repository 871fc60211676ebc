/** A command that failed as dash words it; ends a special builtin's shell, anything else only itself. */
export class ShellError extends Error {
  readonly status: number

  constructor(message: string, status = 2) {
    super(message)
    this.name = 'ShellError'
    this.status = status
  }
}

/** Leaves loops. */
export class LoopExit extends Error {
  readonly kind: 'break' | 'continue'
  levels: number

  constructor(kind: 'break' | 'continue', levels: number) {
    super(kind)
    this.kind = kind
    this.levels = levels
  }
}

/** Leaves a function or a sourced file. */
export class FunctionReturn extends Error {
  readonly status: number

  constructor(status: number) {
    super('return')
    this.status = status
  }
}

/** Leaves the shell, or the subshell. */
export class ShellExit extends Error {
  readonly status: number

  constructor(status: number) {
    super('exit')
    this.status = status
  }
}

/** The reader of a pipe is gone. */
export class BrokenPipe extends Error {
  constructor() {
    super('Broken pipe')
  }
}
