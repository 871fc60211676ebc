import { VfsError } from '../vfs/error.js'
import { bytesOf } from './bytes.js'
import { ShellError } from './error.js'
import type { Expander } from './expand/expand.js'
import { errorWords } from './files.js'
import type { ShellState } from './state.js'
import { OpenFile, Pipe, PipeReader } from './streams.js'
import type { Redirection } from './syntax/ast.js'

/**
 * Applies redirections in order.
 *
 * @returns puts everything back as it was
 * @throws {ShellError} where a file can't be opened; what was applied is undone
 */
export function redirect(state: ShellState, expander: Expander, redirections: readonly Redirection[]): () => void {
  const undo: (() => void)[] = []
  const restore = () => {
    for (const step of undo.splice(0).reverse()) step()
  }
  try {
    for (const redirection of redirections) {
      const fd = redirection.fd ?? (redirection.operator.startsWith('<') ? 0 : 1)
      const file = openTarget(state, expander, redirection)
      const before = state.descriptors.get(fd)?.share()
      undo.push(() => state.descriptors.set(fd, before))
      state.descriptors.set(fd, file)
    }
  } catch (err) {
    restore()
    throw err
  }
  return restore
}

/** @returns undefined for `-`, which closes */
function openTarget(state: ShellState, expander: Expander, { operator, target }: Redirection): OpenFile | undefined {
  const text = expander.text(target)
  if (operator === '<<') {
    const pipe = new Pipe()
    pipe.write(bytesOf(text))
    return new OpenFile(new PipeReader(pipe))
  }
  if (operator === '<&' || operator === '>&') {
    if (text === '-') return undefined
    const source = /^\d+$/.test(text) ? state.descriptors.get(Number(text)) : undefined
    if (!source) throw new ShellError(`${text}: ${/^\d+$/.test(text) ? 'Bad file descriptor' : 'bad fd number'}`, 2)
    return source.share()
  }
  return openFile(state, operator, text)
}

function openFile(state: ShellState, operator: string, path: string): OpenFile {
  const { files } = state
  try {
    if (operator === '<') return new OpenFile(files.open(path))
    if (operator === '<>') return new OpenFile(files.open(path, { create: true }))
    if (operator === '>>') return new OpenFile(files.open(path, { create: true, append: true }))
    const node = files.find(path)
    if (operator === '>' && state.options.has('C') && node?.kind === 'file') throw new VfsError('EEXIST', path)
    return new OpenFile(files.open(path, { create: true, truncate: true }))
  } catch (err) {
    if (!(err instanceof VfsError)) throw err
    const verb = operator === '<' ? 'open' : 'create'
    const why = err.errno === 'ENOENT' ? (verb === 'open' ? 'No such file' : 'Directory nonexistent') : errorWords(err)
    throw new ShellError(`cannot ${verb} ${path}: ${why}`, 2)
  }
}
