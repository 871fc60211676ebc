import { BUILTINS } from './builtins/table.js'
import type { Command, List, Position, Word, WordPart } from './syntax/ast.js'
import { ShellSyntaxError } from './syntax/error.js'
import { literalText } from './syntax/word.js'
import { TOOLS } from './tools/table.js'

/** A command that only the image can have. */
export interface NamedProgram {
  name: string
  at: Position
}

/** What people write in place of what POSIX has. */
const INSTEAD: Readonly<Record<string, string>> = {
  '[[': 'write [ … ]',
  source: 'write . FILE',
  function: 'write name() { … }',
  let: 'write x=$((…))',
  declare: 'write x=… or local x=…',
  typeset: 'write x=… or local x=…',
  alias: 'write a function',
  ulimit: 'limits are those of the build',
  jobs: 'nothing runs in the background',
  fg: 'nothing runs in the background',
  bg: 'nothing runs in the background',
}

/**
 * Looks through a script for what this shell does not have, before anything of it runs.
 *
 * @returns the commands that are neither builtins, functions nor tools, each once: the image must have them
 * @throws {ShellSyntaxError} for a part of the language that is not here
 */
export function checkScript(list: List): NamedProgram[] {
  const check = new Check()
  check.list(list)
  return check.programs()
}

class Check {
  readonly #functions = new Set<string>()
  readonly #named = new Map<string, Position>()

  programs(): NamedProgram[] {
    return [...this.#named].filter(([name]) => !this.#functions.has(name)).map(([name, at]) => ({ name, at }))
  }

  list(list: List): void {
    for (const { first, rest, background, at } of list) {
      if (background)
        throw new ShellSyntaxError(
          'a command in the background (&) is not supported',
          at,
          'run it in the foreground: nothing of a step may outlast it',
        )
      for (const { commands } of [first, ...rest.map((r) => r.pipeline)])
        for (const command of commands) this.#command(command)
    }
  }

  #command(command: Command): void {
    for (const { target } of command.redirections) this.#word(target)
    switch (command.type) {
      case 'simple': {
        for (const { value } of command.assignments) this.#word(value)
        for (const word of command.words) this.#word(word)
        const name = literalText(command.words[0])
        if (name !== undefined) this.#name(name, command.words[0]!.at)
        return
      }
      case 'subshell':
      case 'group':
        this.list(command.body)
        return
      case 'if':
        for (const { condition, body } of command.branches) {
          this.list(condition)
          this.list(body)
        }
        if (command.otherwise) this.list(command.otherwise)
        return
      case 'while':
        this.list(command.condition)
        this.list(command.body)
        return
      case 'for':
        for (const word of command.words ?? []) this.#word(word)
        this.list(command.body)
        return
      case 'case':
        this.#word(command.subject)
        for (const { patterns, body } of command.items) {
          for (const pattern of patterns) this.#word(pattern)
          this.list(body)
        }
        return
      case 'function':
        this.#functions.add(command.name)
        this.#command(command.body)
    }
  }

  #name(name: string, at: Position): void {
    if (Object.hasOwn(INSTEAD, name))
      throw new ShellSyntaxError(`"${name}" is not a command of POSIX shells`, at, INSTEAD[name])
    // A path may be made on the way, and sh is this shell itself.
    const known =
      name.includes('/') ||
      Object.hasOwn(BUILTINS, name) ||
      Object.hasOwn(TOOLS, name) ||
      /^(?:sh|ash|dash)$/.test(name)
    if (!known && name !== '' && !this.#named.has(name)) this.#named.set(name, at)
  }

  #word(word: Word): void {
    for (const part of word.parts) this.#part(part)
  }

  #part(part: WordPart): void {
    if (part.type === 'command') this.list(part.body)
    else if (part.type === 'arithmetic') this.#word(part.expression)
    else if (part.type === 'parameter' && part.word) this.#word(part.word)
  }
}
