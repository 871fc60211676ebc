import { VfsError } from '../vfs/error.js'
import { BUILTINS, SPECIAL } from './builtins/table.js'
import { textOf } from './bytes.js'
import { type BuiltinContext, type Meaning, type RunOptions, ToolError } from './command.js'
import { BrokenPipe, FunctionReturn, LoopExit, ShellError, ShellExit } from './error.js'
import { Expander } from './expand/expand.js'
import { patternRegExp } from './expand/pattern.js'
import { errorWords, readAll } from './files.js'
import { findExecutable, type Programs } from './programs.js'
import { redirect } from './redirect.js'
import type { ShellState } from './state.js'
import { OpenFile, Pipe, PipeReader, PipeWriter, Writer } from './streams.js'
import type { AndOr, Command, List, Pipeline, SimpleCommand } from './syntax/ast.js'
import { ShellSyntaxError } from './syntax/error.js'
import { parseScript } from './syntax/parser.js'
import { TOOLS } from './tools/table.js'

/** Deepest nesting of functions and sourced files. */
const MAX_DEPTH = 400
/** What a program that wrote into a pipe without a reader ends with: 128 + SIGPIPE. */
const BROKEN_PIPE = 141

/** Runs a parsed script over a virtual file system. Nothing runs at once: what is left of a pipe ends before its right begins. */
export class Shell {
  readonly state: ShellState
  readonly #expander: Expander
  readonly #programs: Programs
  /** Conditions: a failing command in them does not end the shell under `set -e`. */
  #tested = 0
  #loops = 0
  #substituted: number | undefined

  constructor(state: ShellState, programs: Programs) {
    this.state = state
    this.#programs = programs
    this.#expander = new Expander(state, (body) => this.#substitute(body))
  }

  /** Runs a whole script, with what `trap … EXIT` asks for. @returns its exit status */
  main(list: List): number {
    return this.#withTrap(() => this.runList(list))
  }

  #untilExit(run: () => number): number {
    try {
      return run()
    } catch (err) {
      if (err instanceof ShellExit || err instanceof FunctionReturn) return err.status
      if (err instanceof LoopExit) return 0
      if (err instanceof BrokenPipe) return BROKEN_PIPE
      if (err instanceof ShellError) {
        this.#complain(err.message)
        return err.status
      }
      throw err
    }
  }

  #complain(message: string): void {
    const writer = new Writer(this.state.descriptors.get(2)?.fd)
    writer.text(`${this.state.name}: ${this.state.line}: ${message}\n`)
    try {
      writer.flush()
    } catch (err) {
      if (!(err instanceof ShellError || err instanceof BrokenPipe)) throw err
    }
  }

  runList(list: List): number {
    for (const item of list) this.#andOr(item)
    return this.state.status
  }

  #andOr({ first, rest }: AndOr): void {
    const last = rest.length
    let pipeline: Pipeline = first
    for (let i = 0; ; i++) {
      this.#pipeline(pipeline, i < last)
      // What follows is skipped until an operator fits.
      let next = i
      while (next < last && (rest[next]!.operator === '&&') !== (this.state.status === 0)) next++
      if (next >= last) return
      pipeline = rest[next]!.pipeline
      i = next
    }
  }

  /** @param tested its failure is looked at by what follows */
  #pipeline({ negated, commands }: Pipeline, tested: boolean): void {
    const guarded = tested || negated
    if (guarded) this.#tested++
    try {
      if (commands.length === 1) this.state.status = this.#command(commands[0]!)
      else this.state.status = this.#piped(commands)
    } finally {
      if (guarded) this.#tested--
    }
    if (negated) this.state.status = this.state.status === 0 ? 1 : 0
    else if (this.state.status !== 0 && !tested && countsForErrexit(commands)) this.#errexit()
  }

  #errexit(): void {
    if (this.state.options.has('e') && this.#tested === 0) throw new ShellExit(this.state.status)
  }

  #piped(commands: readonly Command[]): number {
    let input: Pipe | undefined
    let status = 0
    commands.forEach((command, i) => {
      const output = i < commands.length - 1 ? new Pipe() : undefined
      const child = this.#fork()
      if (input) child.state.descriptors.set(0, new OpenFile(new PipeReader(input)))
      if (output) child.state.descriptors.set(1, new OpenFile(new PipeWriter(output)))
      status = child.#subshell(() => child.#command(command))
      input = output
    })
    return status
  }

  #fork(): Shell {
    const child = new Shell(this.state.fork(), this.#programs)
    child.#tested = this.#tested
    return child
  }

  /** Runs what a subshell runs, to its end. */
  #subshell(run: () => number): number {
    try {
      return this.#withTrap(run)
    } finally {
      this.state.descriptors.closeAll()
    }
  }

  #withTrap(run: () => number): number {
    let status = this.#untilExit(run)
    const trap = this.state.traps.get('EXIT')
    if (trap) {
      this.state.status = status
      this.state.traps.delete('EXIT')
      status = this.#untilExit(() => {
        this.#evaluate(trap)
        return status
      })
    }
    return status
  }

  #substitute(body: List): string {
    const pipe = new Pipe()
    const child = this.#fork()
    child.#tested = 0
    child.state.descriptors.set(1, new OpenFile(new PipeWriter(pipe)))
    const status = child.#subshell(() => child.runList(body))
    this.#substituted = status
    const text = pipe.drain().map(textOf).join('')
    return text.replaceAll('\0', '').replace(/\n+$/, '')
  }

  #command(command: Command): number {
    this.state.line = command.at.line
    if (command.type === 'simple') return this.#simple(command)
    if (command.type === 'function') {
      this.state.functions.set(command.name, command.body)
      return 0
    }
    let restore: () => void
    try {
      restore = redirect(this.state, this.#expander, command.redirections)
    } catch (err) {
      if (!(err instanceof ShellError)) throw err
      this.#complain(err.message)
      return err.status
    }
    try {
      return this.#compound(command)
    } finally {
      restore()
    }
  }

  #compound(command: Exclude<Command, { type: 'simple' | 'function' }>): number {
    switch (command.type) {
      case 'group':
        return this.runList(command.body)
      case 'subshell': {
        const child = this.#fork()
        return child.#subshell(() => child.runList(command.body))
      }
      case 'if':
        for (const { condition, body } of command.branches) if (this.#holds(condition)) return this.runList(body)
        return command.otherwise ? this.runList(command.otherwise) : this.#ok()
      case 'while':
        return this.#while(command)
      case 'for':
        return this.#for(command)
      case 'case':
        return this.#case(command)
    }
  }

  /** A command without a status of its own: nothing in it ran. */
  #ok(): number {
    this.state.status = 0
    return 0
  }

  #holds(condition: List): boolean {
    this.#tested++
    try {
      return this.runList(condition) === 0
    } finally {
      this.#tested--
    }
  }

  #while({ condition, until, body }: Extract<Command, { type: 'while' }>): number {
    let status = 0
    this.#loop(() => {
      if (this.#holds(condition) === until) return false
      status = this.runList(body)
      return true
    })
    this.state.status = status
    return status
  }

  #for({ name, words, body }: Extract<Command, { type: 'for' }>): number {
    const values = words ? this.#expander.fields(words) : [...this.state.args]
    let at = 0
    let status = 0
    this.#loop(() => {
      if (at >= values.length) return false
      this.state.set(name, values[at++]!)
      status = this.runList(body)
      return true
    })
    this.state.status = status
    return status
  }

  /** @param turn false ends the loop */
  #loop(turn: () => boolean): void {
    this.#loops++
    try {
      for (;;) {
        try {
          if (!turn()) return
        } catch (err) {
          if (!(err instanceof LoopExit)) throw err
          this.state.status = 0
          if (--err.levels > 0 && this.#loops > 1) throw err
          if (err.kind === 'break') return
        }
      }
    } finally {
      this.#loops--
    }
  }

  #case({ subject, items }: Extract<Command, { type: 'case' }>): number {
    const text = this.#expander.text(subject)
    for (const { patterns, body } of items)
      for (const pattern of patterns)
        if (patternRegExp(this.#expander.pattern(pattern)).test(text))
          return body.length > 0 ? this.runList(body) : this.#ok()
    return this.#ok()
  }

  #simple(command: SimpleCommand): number {
    const { state } = this
    this.#substituted = undefined
    const args = this.#expander.fields(command.words)
    const [name] = args
    if (name === undefined) return this.#assignOnly(command)
    const isSpecial = SPECIAL.has(name)
    let restoreFiles: () => void
    try {
      restoreFiles = redirect(state, this.#expander, command.redirections)
    } catch (err) {
      if (isSpecial || !(err instanceof ShellError)) throw err
      this.#complain(err.message)
      return err.status
    }
    try {
      const values = command.assignments.map((a) => [a.name, this.#expander.text(a.value)] as const)
      if (state.options.has('x')) this.#trace([...values.map(([n, v]) => `${n}=${v}`), ...args])
      const restoreVariables = this.#assign(values, isSpecial)
      try {
        return this.#invoke(args, isSpecial)
      } finally {
        restoreVariables()
      }
    } finally {
      // Redirections of a bare exec stay.
      if (!(name === 'exec' && args.length === 1)) restoreFiles()
    }
  }

  #assignOnly(command: SimpleCommand): number {
    const restore = redirect(this.state, this.#expander, command.redirections)
    try {
      const traced: string[] = []
      for (const { name, value } of command.assignments) {
        const text = this.#expander.text(value)
        this.state.set(name, text)
        traced.push(`${name}=${text}`)
      }
      if (this.state.options.has('x') && traced.length > 0) this.#trace(traced)
    } finally {
      restore()
    }
    return this.#substituted ?? 0
  }

  #trace(words: readonly string[]): void {
    const writer = new Writer(this.state.descriptors.get(2)?.fd)
    const shown = words.map((w) => (/^[\w@%+=:,./-]+$/.test(w) ? w : `'${w.replaceAll("'", "'\\''")}'`))
    writer.text(`${this.state.get('PS4') ?? '+ '}${shown.join(' ')}\n`)
    writer.flush()
  }

  /** @returns puts the variables back, unless a special builtin keeps them */
  #assign(values: readonly (readonly [string, string])[], keep: boolean): () => void {
    const { variables } = this.state
    const before = values.map(([name]) => {
      const known = variables.get(name)
      return [name, known && { ...known }] as const
    })
    for (const [name, value] of values) {
      this.state.set(name, value)
      if (!keep) variables.get(name)!.exported = true
    }
    if (keep) return () => {}
    return () => {
      for (const [name, known] of before)
        if (known) variables.set(name, known)
        else variables.delete(name)
    }
  }

  #invoke(args: readonly string[], isSpecial: boolean): number {
    const [name, ...rest] = args as [string, ...string[]]
    if (isSpecial) return this.#builtin(name, rest, true)
    const body = this.state.functions.get(name)
    if (body) return this.#function(body, rest)
    return this.#runCommand(args)
  }

  #runCommand(args: readonly string[], options: RunOptions = {}): number {
    const [name, ...rest] = args as [string, ...string[]]
    if (Object.hasOwn(BUILTINS, name)) return this.#builtin(name, rest, false)
    if (!name.includes('/') && Object.hasOwn(TOOLS, name) && !this.#shadowed(name))
      return this.#tool(name, rest, options)
    if (isShell(name)) return this.#shell(args, options)
    return this.#program(args, options)
  }

  /** A program of the image comes before our tool of the same name only where it can run here. */
  #shadowed(name: string): boolean {
    const path = findExecutable(this.state, name)
    return path !== undefined && this.#programs.kind(this.state, path) === 'module'
  }

  /** @param fatal its failure ends the shell, as that of a special builtin does */
  #builtin(name: string, args: readonly string[], fatal: boolean): number {
    const { state } = this
    const out = new Writer(state.descriptors.get(1)?.fd)
    const stdin = state.descriptors.get(0)
    const context: BuiltinContext = {
      name,
      state,
      stdin: stdin?.fd ?? new PipeReader(new Pipe()),
      out,
      loops: this.#loops,
      warn: (message) => this.#complain(`${name}: ${message}`),
      evaluate: (text) => this.#evaluate(text),
      runList: (list) => this.runList(list),
      runCommand: (words) => this.#runCommand(words),
      lookup: (word) => this.lookup(word),
    }
    try {
      const status = BUILTINS[name]!(args, context)
      out.flush()
      return status
    } catch (err) {
      if (err instanceof VfsError) {
        out.flush()
        context.warn(errorWords(err))
        return 2
      }
      if (fatal || !(err instanceof ShellError)) throw err
      this.#complain(err.message)
      return err.status
    }
  }

  #function(body: Command, args: string[]): number {
    const { state } = this
    const before = state.args
    const loops = this.#loops
    if (++state.depth > MAX_DEPTH) throw new ShellError('functions call each other too deeply', 2)
    state.args = args
    state.locals.push(new Map())
    this.#loops = 0
    try {
      return this.#command(body)
    } catch (err) {
      if (err instanceof FunctionReturn) return err.status
      throw err
    } finally {
      this.#loops = loops
      state.args = before
      state.depth--
      for (const [name, known] of state.locals.pop()!)
        if (known) state.variables.set(name, known)
        else state.variables.delete(name)
    }
  }

  #evaluate(text: string): number {
    if (++this.state.depth > MAX_DEPTH) throw new ShellError('eval and sourced files nest too deeply', 2)
    try {
      const list = parseScript(text, this.state.line)
      if (list.length === 0) return this.#ok()
      return this.runList(list)
    } catch (err) {
      if (err instanceof ShellSyntaxError) throw new ShellError(err.message, 2)
      throw err
    } finally {
      this.state.depth--
    }
  }

  #tool(name: string, args: readonly string[], { stdin, env, cwd }: RunOptions): number {
    const { state } = this
    const files = state.files.fork()
    if (cwd !== undefined) files.chdir(cwd, false)
    const out = new Writer(state.descriptors.get(1)?.fd)
    const input = stdin ? new PipeReader(pipeOf(stdin)) : state.descriptors.get(0)?.fd
    const warn = (message: string) => {
      out.flush()
      const writer = new Writer(state.descriptors.get(2)?.fd)
      writer.text(`${name}: ${message}\n`)
      writer.flush()
    }
    const run = (words: readonly string[], options: RunOptions = {}) => {
      out.flush()
      return this.#spawn(words, options)
    }
    const own = env ?? new Map(state.environment().map((v) => v.split(/=(.*)/s) as [string, string]))
    try {
      const status = TOOLS[name]!(args, {
        name,
        files,
        env: own,
        stdin: input ?? new PipeReader(new Pipe()),
        out,
        warn,
        world: state.world,
        knows: (word) => isShell(word) || Object.hasOwn(TOOLS, word),
        run,
      })
      out.flush()
      return status
    } catch (err) {
      if (err instanceof BrokenPipe) return BROKEN_PIPE
      if (err instanceof ToolError || err instanceof ShellError) {
        warn(err.message)
        return err.status
      }
      if (err instanceof VfsError) {
        warn(err.message.includes(':') ? `${pathOf(err)}: ${errorWords(err)}` : errorWords(err))
        return 1
      }
      throw err
    }
  }

  /** Runs a command for a tool: neither builtins that change the shell nor functions are seen. */
  #spawn(args: readonly string[], options: RunOptions): number {
    const child = this.#fork()
    const { state } = child
    if (options.stdin) state.descriptors.set(0, new OpenFile(new PipeReader(pipeOf(options.stdin))))
    if (options.cwd !== undefined) state.files.chdir(options.cwd, false)
    if (options.env) {
      for (const variable of state.variables.values()) variable.exported = false
      for (const [name, value] of options.env) state.variables.set(name, { value, exported: true, readonly: false })
    }
    return child.#subshell(() => child.#runCommand(args, {}))
  }

  #program(args: readonly string[], options: RunOptions): number {
    const [name] = args as [string, ...string[]]
    const path = findExecutable(this.state, name)
    if (path === undefined) {
      this.#complain(`${name}: not found`)
      return 127
    }
    const kind = this.#programs.kind(this.state, path)
    if (kind === 'directory') {
      this.#complain(`${name}: Permission denied`)
      return 126
    }
    if (kind === 'module') return this.#programs.run(this.state, path, args)
    if (kind === 'script') return this.#script(path, args, options)
    this.#complain(`${name}: ${kind}`)
    return 126
  }

  /** `sh` as a command: this shell again. */
  #shell(args: readonly string[], options: RunOptions): number {
    const [name, ...words] = args as [string, ...string[]]
    const letters = new Set<string>()
    let at = 0
    for (; at < words.length && /^[-+]./.test(words[at]!) && words[at] !== '--'; at++) {
      for (const letter of words[at]!.slice(1)) letters.add(letter)
      if (words[at]!.endsWith('o')) letters.delete('o')
    }
    if (words[at] === '--') at++
    const unknown = [...letters].find((l) => !'cefuxvCas'.includes(l))
    if (unknown !== undefined) throw new ShellError(`${name}: Illegal option -${unknown}`, 2)
    const operands = words.slice(at)
    const child = this.#newShell(letters)
    const { state } = child
    let text: string
    if (letters.has('c')) {
      const [script, own, ...rest] = operands
      if (script === undefined) throw new ShellError(`${name}: -c requires an argument`, 2)
      text = script
      state.name = own ?? name
      state.args = rest
    } else if (operands.length > 0 && !letters.has('s')) {
      const [path, ...rest] = operands as [string, ...string[]]
      const node = this.state.files.find(path)
      if (node?.kind !== 'file') {
        this.#complain(`cannot open ${path}: No such file`)
        return 2
      }
      text = textOf(this.state.files.read(path))
      state.name = path
      state.args = rest
    } else {
      text = textOf(options.stdin ?? readAll(this.state.descriptors.get(0)?.fd ?? new PipeReader(new Pipe())))
      state.name = name
      state.args = operands
    }
    if (options.stdin) state.descriptors.set(0, new OpenFile(new PipeReader(pipeOf(options.stdin))))
    return child.#subshell(() => child.#evaluate(text))
  }

  /** A shell that shares nothing with this one but what is exported, and its files. */
  #newShell(letters: ReadonlySet<string>): Shell {
    const child = this.#fork()
    const { state } = child
    for (const [key, variable] of [...state.variables]) if (!variable.exported) state.variables.delete(key)
    for (const [key, value] of [
      ['IFS', ' \t\n'],
      ['OPTIND', '1'],
      ['PWD', state.files.cwd],
    ] as const)
      state.variables.set(key, { value, exported: key === 'PWD', readonly: false })
    for (const variable of state.variables.values()) variable.readonly = false
    state.functions.clear()
    state.traps.clear()
    state.options.clear()
    for (const letter of letters) if (letter !== 'c' && letter !== 's') state.options.add(letter)
    state.status = 0
    state.line = 1
    child.#tested = 0
    return child
  }

  /** A file that begins with `#!`, or plain text, which a shell reads. */
  #script(path: string, args: readonly string[], options: RunOptions): number {
    const content = textOf(this.state.files.read(path))
    const match = /^#![ \t]*([^\s]+)[ \t]*([^\n]*?)[ \t]*\n/.exec(`${content}\n`)
    const interpreter = match?.[1]
    if (interpreter !== undefined && !isShell(interpreter)) {
      const argument = match![2] === '' ? [] : [match![2]!]
      return this.#runCommand(
        [interpreter.replace(/^(?:\/usr)?\/bin\/env$/, 'env'), ...argument, path, ...args.slice(1)],
        options,
      )
    }
    const child = this.#newShell(new Set(match?.[2]?.match(/^-(\w+)$/)?.[1] ?? ''))
    const { state } = child
    state.name = path
    state.args = args.slice(1)
    return child.#subshell(() => child.#evaluate(content))
  }

  /** What a command's name means here. */
  lookup(name: string): Meaning | undefined {
    if (SPECIAL.has(name)) return { kind: 'special' }
    if (this.state.functions.has(name)) return { kind: 'function' }
    if (Object.hasOwn(BUILTINS, name)) return { kind: 'builtin' }
    const path = findExecutable(this.state, name)
    if (!name.includes('/') && (isShell(name) || Object.hasOwn(TOOLS, name)) && !this.#shadowed(name))
      return { kind: 'tool' }
    return path === undefined ? undefined : { kind: 'program', path }
  }
}

/** As dash has it: a failing group, loop or condition is the failure of what is in it. */
function countsForErrexit(commands: readonly Command[]): boolean {
  return commands.length > 1 || commands[0]!.type === 'simple' || commands[0]!.type === 'subshell'
}

/** Names of POSIX shells, with a path or without. */
function isShell(name: string): boolean {
  return /^(?:(?:\/usr)?\/bin\/)?(?:sh|dash|ash)$/.test(name)
}

function pipeOf(data: Uint8Array): Pipe {
  const pipe = new Pipe()
  if (data.length > 0) pipe.write(data)
  return pipe
}

function pathOf(err: VfsError): string {
  return /"(.*)"$/s.exec(err.message)?.[1] ?? ''
}
