import { VfsError } from '../../vfs/error.js'
import { textOf } from '../bytes.js'
import type { Builtin } from '../command.js'
import { FunctionReturn, LoopExit, ShellError, ShellExit } from '../error.js'

function levels(args: readonly string[], name: string): number {
  const [text = '1'] = args
  if (!/^\d+$/.test(text) || Number(text) < 1) throw new ShellError(`${name}: Illegal number: ${text}`, 2)
  return Number(text)
}

function statusOf(text: string | undefined, otherwise: number, name: string): number {
  if (text === undefined) return otherwise
  if (!/^\d+$/.test(text)) throw new ShellError(`${name}: Illegal number: ${text}`, 2)
  return Number(text) & 255
}

const leave =
  (kind: 'break' | 'continue'): Builtin =>
  (args, { loops }) => {
    const count = levels(args, kind)
    if (loops > 0) throw new LoopExit(kind, Math.min(count, loops))
    return 0
  }

const sourced: Builtin = ([file], { state, evaluate }) => {
  if (file === undefined) throw new ShellError('.: filename argument required', 2)
  const path = file.includes('/')
    ? file
    : inPath(file, state.get('PATH') ?? '', (p) => state.files.find(p)?.kind === 'file')
  if (path === undefined) throw new ShellError(`.: ${file}: not found`, 2)
  let text: string
  try {
    text = textOf(state.files.read(path))
  } catch (err) {
    if (err instanceof VfsError) throw new ShellError(`.: cannot open ${file}: No such file`, 2)
    throw err
  }
  try {
    return evaluate(text)
  } catch (err) {
    if (err instanceof FunctionReturn) return err.status
    throw err
  }
}

function inPath(name: string, path: string, is: (path: string) => boolean): string | undefined {
  return path
    .split(':')
    .map((dir) => (dir === '' ? name : `${dir}/${name}`))
    .find(is)
}

/** Builtins that change what runs next. */
export const flow: Readonly<Record<string, Builtin>> = {
  ':': () => 0,
  '.': sourced,
  break: leave('break'),
  continue: leave('continue'),
  true: () => 0,
  false: () => 1,
  eval: (args, { evaluate }) => (args.length > 0 ? evaluate(args.join(' ')) : 0),
  exit: ([status], { state }) => {
    throw new ShellExit(statusOf(status, state.status, 'exit'))
  },
  return: ([status], { state }) => {
    throw new FunctionReturn(statusOf(status, state.status, 'return'))
  },
  exec: (args, { runCommand }) => {
    if (args.length === 0) return 0
    throw new ShellExit(runCommand(args))
  },
  command: (args, context) => {
    const [option, ...rest] = args
    if (option === '-v' || option === '-V') return describe(rest, context, option === '-V')
    const words = option === '-p' || option === '--' ? rest : args
    return words.length > 0 ? context.runCommand(words) : 0
  },
  type: (args, context) => describe(args, context, true),
  // Nothing ever runs in the background.
  wait: () => 0,
  hash: () => 0,
  times: (_, { out }) => {
    out.text('0m0.000000s 0m0.000000s\n0m0.000000s 0m0.000000s\n')
    return 0
  },
}

function describe(names: readonly string[], { lookup, out }: Parameters<Builtin>[1], words: boolean): number {
  let status = 0
  for (const name of names) {
    const meaning = lookup(name)
    if (!meaning) {
      if (words) out.text(`${name}: not found\n`)
      status = 127
    } else if (meaning.kind === 'program' || meaning.kind === 'tool') {
      const path = meaning.kind === 'program' ? meaning.path : `/usr/bin/${name}`
      out.text(words ? `${name} is ${path}\n` : `${path}\n`)
    } else {
      const kind = { special: 'a special shell builtin', builtin: 'a shell builtin', function: 'a shell function' }
      out.text(words ? `${name} is ${kind[meaning.kind]}\n` : `${name}\n`)
    }
  }
  return status
}
