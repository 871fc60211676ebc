import { makeLink, makeSymlink, rename, unlink } from '../../vfs/change.js'
import { VfsError } from '../../vfs/error.js'
import type { FileInode, Inode } from '../../vfs/inode.js'
import { fromName } from '../bytes.js'
import { type Tool, type ToolContext, ToolError } from '../command.js'
import { errorWords } from '../files.js'
import { parseMode } from '../mode.js'
import { pump } from './each.js'
import { parseOwner } from './metadata.js'
import { parseOptions, requireOperands } from './options.js'
import { removeTree } from './paths.js'

/** How a tree is copied. */
interface CopyOptions {
  recursive: boolean
  /** Modes, owners and times go along. */
  preserve: { mode: boolean; owner: boolean; times: boolean; links: boolean }
  /** Links on the command line, and links met on the way, are followed. */
  follow: { arguments: boolean; all: boolean }
  force: boolean
  noClobber: boolean
  update: boolean
  verbose: boolean
  hardLinks: boolean
}

const CP = {
  letters: 'abdfHiLlnPpRrsTtuvx',
  long: {
    archive: 'a',
    'no-dereference': 'P',
    dereference: 'L',
    force: 'f',
    link: 'l',
    'no-clobber': 'n',
    recursive: 'r',
    'no-target-directory': 'T',
    'target-directory': 't',
    update: 'u',
    verbose: 'v',
    preserve: 'p',
  },
}

/** Where each source goes: below the last operand where that is a folder, else onto it. */
function targets(
  context: ToolContext,
  operands: readonly string[],
  { folder, exact }: { folder: string | undefined; exact: boolean },
): [source: string, target: string][] {
  if (folder === undefined && operands.length < 2) {
    if (operands.length === 0) throw new ToolError('missing file operand')
    throw new ToolError(`missing destination file operand after '${operands[0]}'`)
  }
  const sources = folder === undefined ? operands.slice(0, -1) : operands
  const last = folder ?? operands.at(-1)!
  const isFolder = context.files.isDir(last)
  if (exact || (!isFolder && sources.length === 1 && folder === undefined)) {
    if (sources.length > 1) throw new ToolError(`extra operand '${operands[2]}'`)
    return [[sources[0]!, last]]
  }
  if (!isFolder)
    throw new ToolError(
      `target '${last}': ${context.files.find(last) ? 'Not a directory' : 'No such file or directory'}`,
    )
  return sources.map((source) => {
    const name = source.replace(/\/+$/, '').split('/').at(-1)!
    const into = name === '.' || name === '..' ? last : `${last.replace(/\/+$/, '')}/${name || '.'}`
    return [source, into]
  })
}

const cp: Tool = (args, context) => {
  const o = parseOptions(args, { letters: CP.letters.replace('t', 't:'), long: CP.long })
  const has = (letters: string) => [...letters].some((l) => o.has(l))
  const recursive = has('aRr')
  if (o.has('s')) throw new ToolError("option -s is not supported here: use 'ln -s'")
  const options: CopyOptions = {
    recursive,
    preserve: { mode: has('ap'), owner: has('ap'), times: has('ap'), links: has('ad') },
    follow: { all: o.has('L') || (!recursive && !has('dP')), arguments: has('HL') },
    force: o.has('f'),
    noClobber: o.has('n'),
    update: o.has('u'),
    verbose: o.has('v'),
    hardLinks: o.has('l'),
  }
  const copier = new Copier(context, options)
  for (const [source, target] of targets(context, o.operands, { folder: o.value('t'), exact: o.has('T') }))
    copier.copy(source, target, options.follow.all || options.follow.arguments)
  return copier.status
}

class Copier {
  readonly #context: ToolContext
  readonly #options: CopyOptions
  readonly #seen = new Map<Inode, string>()
  status = 0

  constructor(context: ToolContext, options: CopyOptions) {
    this.#context = context
    this.#options = options
  }

  copy(source: string, target: string, follow: boolean): void {
    try {
      this.#copy(source, target, follow)
    } catch (err) {
      if (err instanceof ToolError) this.#fail(err.message)
      else if (err instanceof VfsError) this.#fail(`cannot copy '${source}' to '${target}': ${errorWords(err)}`)
      else throw err
    }
  }

  #fail(message: string): void {
    this.#context.warn(message)
    this.status = 1
  }

  #copy(source: string, target: string, follow: boolean): void {
    const { files, out } = this.#context
    const options = this.#options
    const node = files.find(source, follow)
    if (!node) throw new ToolError(`cannot stat '${source}': No such file or directory`)
    if (node.kind === 'dir') {
      if (!options.recursive) throw new ToolError(`-r not specified; omitting directory '${source}'`)
      this.#directory(source, target, node)
      return
    }
    const there = files.find(target, false)
    if (there?.kind === 'dir') throw new ToolError(`cannot overwrite directory '${target}' with non-directory`)
    const resolved = files.find(target)
    if (resolved === node && resolved !== undefined)
      throw new ToolError(`'${source}' and '${target}' are the same file`)
    if (there && (options.noClobber || (options.update && there.mtime >= node.mtime))) return
    if (options.verbose) out.text(`'${source}' -> '${target}'\n`)
    const known = node.links > 1 && options.preserve.links ? this.#seen.get(node) : undefined
    if (known !== undefined || options.hardLinks) {
      if (there) unlink(files.tree, files.place(target, false))
      makeLink(files.tree, files.place(known ?? source, follow), files.place(target, false))
      return
    }
    this.#seen.set(node, target)
    if (node.kind === 'symlink') {
      if (there) unlink(files.tree, files.place(target, false))
      this.#keep(node, makeSymlink(files.tree, files.place(target, false), node.target))
    } else if (node.kind === 'file' || node.role !== undefined) this.#file(source, target, node)
    else throw new ToolError(`cannot copy special file '${source}' here`)
  }

  #file(source: string, target: string, node: Inode): void {
    const { files } = this.#context
    if (this.#options.force && files.find(target, false)?.kind === 'symlink' && !files.find(target))
      unlink(files.tree, files.place(target, false))
    const existed = files.find(target) !== undefined
    const from = files.open(source)
    const to = files.open(target, { create: true, truncate: true }, node.mode & 0o777)
    pump(from, (data) => {
      to.write(data)
    })
    from.fd_close()
    to.fd_close()
    const made = files.stat(target)
    if (!existed && made.kind === 'file') made.mode = node.mode & 0o777 & ~files.umask
    this.#keep(node, made)
  }

  #directory(source: string, target: string, node: Inode & { kind: 'dir' }): void {
    const { files, out } = this.#context
    const there = files.find(target)
    if (there && there.kind !== 'dir')
      throw new ToolError(`cannot overwrite non-directory '${target}' with directory '${source}'`)
    for (let at = (there ?? files.place(target.replace(/(.)\/+$/, '$1')).dir) as typeof node; ; ) {
      if (at === node) throw new ToolError(`cannot copy a directory, '${source}', into itself, '${target}'`)
      if (at === files.tree.root) break
      at = files.tree.parentOf(at)
    }
    const made = there ?? files.makeDir(target, node.mode & 0o777)
    if (this.#options.verbose && !there) out.text(`'${source}' -> '${target}'\n`)
    for (const name of files.tree.names(node).map(fromName))
      this.copy(
        `${source.replace(/\/+$/, '')}/${name}`,
        `${target.replace(/\/+$/, '')}/${name}`,
        this.#options.follow.all && this.#options.recursive && this.#options.follow.arguments,
      )
    if (!there && !this.#options.preserve.mode) files.chmod(made, node.mode & 0o777 & ~files.umask)
    this.#keep(node, made)
  }

  #keep(from: Inode, to: Inode): void {
    const { files } = this.#context
    const { mode, owner, times } = this.#options.preserve
    if (owner) files.chown(to, from.uid, from.gid)
    if (mode && to.kind !== 'symlink') files.chmod(to, from.mode)
    if (times) files.setTimes(to, from.atime, from.mtime)
  }
}

const mv: Tool = (args, context) => {
  const { files } = context
  const o = parseOptions(args, {
    letters: 'finTt:uv',
    long: {
      force: 'f',
      'no-clobber': 'n',
      'no-target-directory': 'T',
      'target-directory': 't',
      update: 'u',
      verbose: 'v',
    },
  })
  let status = 0
  for (const [source, target] of targets(context, o.operands, { folder: o.value('t'), exact: o.has('T') })) {
    try {
      const node = files.find(source, false)
      if (!node) throw new ToolError(`cannot stat '${source}': No such file or directory`)
      const there = files.find(target, false)
      if (there && (o.has('n') || (o.has('u') && there.mtime >= node.mtime))) continue
      if (there === node) throw new ToolError(`'${source}' and '${target}' are the same file`)
      move(context, source, target)
      if (o.has('v')) context.out.text(`renamed '${source}' -> '${target}'\n`)
    } catch (err) {
      if (err instanceof ToolError) context.warn(err.message)
      else if (err instanceof VfsError) context.warn(`cannot move '${source}' to '${target}': ${errorWords(err)}`)
      else throw err
      status = 1
    }
  }
  return status
}

function move(context: ToolContext, source: string, target: string): void {
  const { files } = context
  const [from, to] = [source, target].map((p) => p.replace(/(.)\/+$/, '$1')) as [string, string]
  try {
    rename(files.tree, files.place(from, false), files.place(to, false))
  } catch (err) {
    if (!(err instanceof VfsError) || err.errno !== 'EXDEV') throw err
    // Another file system, a mount: copied with everything, then removed.
    const preserve = { mode: true, owner: true, times: true, links: true }
    const copier = new Copier(context, {
      recursive: true,
      preserve,
      follow: { all: false, arguments: false },
      force: true,
      noClobber: false,
      update: false,
      verbose: false,
      hardLinks: false,
    })
    copier.copy(from, to, false)
    if (copier.status === 0) removeTree(context, from, true)
  }
}

const install: Tool = (args, context) => {
  const { files } = context
  const o = parseOptions(args, {
    letters: 'bcCdDg:m:o:pst:Tv',
    long: {
      directory: 'd',
      group: 'g',
      mode: 'm',
      owner: 'o',
      'preserve-timestamps': 'p',
      'target-directory': 't',
      'no-target-directory': 'T',
      verbose: 'v',
      compare: 'C',
    },
  })
  const text = o.value('m') ?? '755'
  const mode = parseMode(text, { mode: 0, directory: o.has('d'), umask: 0 })
  if (mode === undefined) throw new ToolError(`invalid mode '${text}'`)
  const { uid } = parseOwner(context, o.value('o') ?? '')
  const { gid } = parseOwner(context, o.value('g') === undefined ? '' : `:${o.value('g')}`)
  const finish = (node: Inode) => {
    files.chown(node, uid, gid)
    files.chmod(node, mode)
  }
  const parents = (path: string) => {
    for (const m of path.matchAll(/\/+/g)) {
      const at = path.slice(0, m.index)
      if (at !== '' && !files.isDir(at)) files.makeDir(at, 0o755).mode = 0o755
    }
  }
  if (o.has('d')) {
    requireOperands(o.operands)
    for (const path of o.operands.map((p) => p.replace(/(.)\/+$/, '$1'))) {
      parents(path)
      finish(files.isDir(path) ? files.stat(path) : files.makeDir(path))
    }
    return 0
  }
  const last = o.value('t') ?? o.operands.at(-1)
  if (o.has('D') && last !== undefined) parents(o.value('t') === undefined ? last : `${last}/`)
  for (const [source, target] of targets(context, o.operands, { folder: o.value('t'), exact: o.has('T') })) {
    const from = files.find(source)
    if (from?.kind !== 'file')
      throw new ToolError(
        from ? `omitting directory '${source}'` : `cannot stat '${source}': No such file or directory`,
      )
    if (files.find(target, false)) unlink(files.tree, files.place(target, false))
    const bytes = files.read(source)
    const made: FileInode = files.write(target, bytes)
    finish(made)
    if (o.has('p')) files.setTimes(made, from.atime, from.mtime)
  }
  return 0
}

/** Tools that copy and move. */
export const copyTools: Readonly<Record<string, Tool>> = { cp, install, mv }
