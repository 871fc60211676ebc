import { makeLink, makeSymlink, removeDir, unlink } from '../../vfs/change.js'
import { VfsError } from '../../vfs/error.js'
import { fromName, toName } from '../bytes.js'
import { type Tool, type ToolContext, ToolError } from '../command.js'
import { errorWords, type Files } from '../files.js'
import { parseMode } from '../mode.js'
import { each } from './each.js'
import { parseOptions, requireOperands } from './options.js'

const mkdir: Tool = (args, context) => {
  const { files } = context
  const o = parseOptions(args, { letters: 'pm:v', long: { parents: 'p', mode: 'm', verbose: 'v' } })
  requireOperands(o.operands)
  const text = o.value('m')
  const mode = text === undefined ? undefined : parseMode(text, { mode: 0o777, directory: true, umask: files.umask })
  if (text !== undefined && mode === undefined) throw new ToolError(`invalid mode '${text}'`)
  return each(context, o.operands, 'cannot create directory', (path) => {
    const make = (at: string) => {
      files.makeDir(at)
      if (o.has('v')) context.out.text(`${context.name}: created directory '${at}'\n`)
    }
    if (o.has('p')) {
      const prefixes = [...path.matchAll(/[^/]+(?:\/+|$)/g)].map((m) =>
        path.slice(0, m.index + m[0].length).replace(/\/+$/, ''),
      )
      for (const prefix of prefixes) if (!files.isDir(prefix)) make(prefix)
      if (prefixes.length === 0) files.stat(path)
    } else make(path.replace(/(.)\/+$/, '$1'))
    if (mode !== undefined) files.chmod(files.stat(path), mode)
  })
}

const rmdir: Tool = (args, context) => {
  const { files } = context
  const o = parseOptions(args, { letters: 'pv', long: { parents: 'p', verbose: 'v', 'ignore-fail-on-non-empty': 'i' } })
  requireOperands(o.operands)
  return each(context, o.operands, 'failed to remove', (given) => {
    const path = given.replace(/(.)\/+$/, '$1')
    removeDir(files.tree, files.place(path, false))
    if (!o.has('p')) return
    for (let at = path; at.includes('/'); ) {
      at = at.slice(0, at.lastIndexOf('/'))
      if (at === '') break
      removeDir(files.tree, files.place(at, false))
    }
  })
}

const rm: Tool = (args, context) => {
  const o = parseOptions(args, { letters: 'rRfdvi', long: { recursive: 'r', force: 'f', dir: 'd', verbose: 'v' } })
  if (!o.has('f')) requireOperands(o.operands)
  let status = 0
  for (const path of o.operands) {
    try {
      const node = context.files.find(path, false)
      if (!node && o.has('f')) continue
      if (/(^|\/)\.{1,2}\/*$/.test(path))
        throw new ToolError(`refusing to remove '.' or '..' directory: skipping '${path}'`)
      removeTree(context, path, o.has('r') || o.has('R'), o.has('d'))
    } catch (err) {
      if (err instanceof ToolError) context.warn(err.message)
      else if (err instanceof VfsError) context.warn(`cannot remove '${path}': ${errorWords(err)}`)
      else throw err
      status = 1
    }
  }
  return status
}

/** @throws VfsError EISDIR for a folder that may not go */
export function removeTree(context: ToolContext, path: string, recursive: boolean, emptyFolder = false): void {
  const { files } = context
  const clean = path.replace(/(.)\/+$/, '$1')
  const place = files.place(clean, false)
  if (place.node?.kind !== 'dir') {
    unlink(files.tree, place)
    return
  }
  if (!recursive && !emptyFolder) throw new VfsError('EISDIR', path)
  if (recursive)
    for (const name of files.tree.names(place.node)) removeTree(context, `${clean}/${fromName(name)}`, true)
  removeDir(files.tree, place)
}

const ln: Tool = (args, context) => {
  const { files } = context
  const o = parseOptions(args, {
    letters: 'sfnTvrt:',
    long: {
      symbolic: 's',
      force: 'f',
      'no-dereference': 'n',
      'no-target-directory': 'T',
      verbose: 'v',
      relative: 'r',
      'target-directory': 't',
    },
  })
  requireOperands(o.operands)
  const folder = o.value('t')
  const last = o.operands.length > 1 && folder === undefined ? o.operands.pop()! : (folder ?? '.')
  const lastNode = files.find(last, !o.has('n'))
  const into = !o.has('T') && (folder !== undefined || lastNode?.kind === 'dir' || o.operands.length > 1)
  if (into && lastNode?.kind !== 'dir') throw new ToolError(`target '${last}' is not a directory`)
  return each(context, o.operands, `failed to create ${o.has('s') ? 'symbolic' : 'hard'} link`, (source) => {
    const name = source.replace(/\/+$/, '').split('/').at(-1)!
    const path = into ? `${last.replace(/\/+$/, '')}/${name}` : last
    if (o.has('f') && files.find(path, false)) {
      if (!o.has('s') && files.find(source, false) === files.find(path, false)) return
      unlink(files.tree, files.place(path, false))
    }
    const place = files.place(path, false)
    if (o.has('s')) makeSymlink(files.tree, place, toName(o.has('r') ? relative(files, source, path) : source))
    else makeLink(files.tree, files.place(source, false), place)
  })
}

/** `target` as seen from where a link is made. */
function relative(files: Files, target: string, link: string): string {
  const to = files.real(target, { missingLast: true }).split('/').filter(Boolean)
  const folder = link.includes('/') ? link.slice(0, link.lastIndexOf('/')) || '/' : '.'
  const from = files.real(folder).split('/').filter(Boolean)
  let common = 0
  while (common < from.length && from[common] === to[common]) common++
  return [...from.slice(common).map(() => '..'), ...to.slice(common)].join('/') || '.'
}

const basename: Tool = (args, { out }) => {
  const o = parseOptions(args, { letters: 'as:z', long: { multiple: 'a', suffix: 's', zero: 'z' } })
  requireOperands(o.operands)
  const several = o.has('a') || o.has('s')
  if (!several && o.operands.length > 2) throw new ToolError(`extra operand '${o.operands[2]}'`)
  const suffix = o.value('s') ?? (several ? '' : (o.operands[1] ?? ''))
  for (const path of several ? o.operands : o.operands.slice(0, 1)) {
    const base = /^\/+$/.test(path) ? '/' : path.replace(/\/+$/, '').split('/').at(-1)!
    out.text(
      (suffix !== '' && base !== suffix && base.endsWith(suffix) ? base.slice(0, -suffix.length) : base) +
        (o.has('z') ? '\0' : '\n'),
    )
  }
  return 0
}

const dirname: Tool = (args, { out }) => {
  const o = parseOptions(args, { letters: 'z', long: { zero: 'z' } })
  requireOperands(o.operands)
  for (const path of o.operands) {
    const bare = path.replace(/\/+$/, '')
    const slash = bare.lastIndexOf('/')
    const dir = slash < 0 ? (bare === '' && path !== '' ? '/' : '.') : bare.slice(0, slash).replace(/\/+$/, '') || '/'
    out.text(dir + (o.has('z') ? '\0' : '\n'))
  }
  return 0
}

const readlink: Tool = (args, { files, out }) => {
  const o = parseOptions(args, {
    letters: 'fenmqsvz',
    long: {
      canonicalize: 'f',
      'canonicalize-existing': 'e',
      'no-newline': 'n',
      'canonicalize-missing': 'm',
      zero: 'z',
    },
  })
  requireOperands(o.operands)
  let status = 0
  for (const path of o.operands) {
    const text =
      o.has('f') || o.has('e') || o.has('m')
        ? canonical(files, path, o.has('e') ? 'all' : o.has('m') ? 'none' : 'parents')
        : linkTarget(files, path)
    if (text === undefined) status = 1
    else out.text(text + (o.has('n') && o.operands.length === 1 ? '' : o.has('z') ? '\0' : '\n'))
  }
  return status
}

function linkTarget(files: Files, path: string): string | undefined {
  const node = files.find(path, false)
  return node?.kind === 'symlink' ? fromName(node.target) : undefined
}

/** @param needs what must be there */
function canonical(files: Files, path: string, needs: 'all' | 'parents' | 'none'): string | undefined {
  try {
    return files.real(path, { missingLast: needs !== 'all' })
  } catch (err) {
    if (!(err instanceof VfsError)) throw err
    if (needs !== 'none' || err.errno !== 'ENOENT') return undefined
    const bare = path.replace(/\/+$/, '')
    const slash = bare.lastIndexOf('/')
    const parent = canonical(files, slash < 0 ? '.' : bare.slice(0, slash) || '/', needs)
    const name = bare.slice(slash + 1)
    if (parent === undefined) return undefined
    if (name === '..') return parent.replace(/\/[^/]*$/, '') || '/'
    return name === '.' || name === '' ? parent : `${parent === '/' ? '' : parent}/${name}`
  }
}

const realpath: Tool = (args, context) => {
  const { files, out } = context
  const o = parseOptions(args, {
    letters: 'emqsz',
    long: {
      'canonicalize-existing': 'e',
      'canonicalize-missing': 'm',
      quiet: 'q',
      'no-symlinks': 's',
      strip: 's',
      zero: 'z',
    },
  })
  requireOperands(o.operands)
  let status = 0
  for (const path of o.operands) {
    const text = canonical(files, path, o.has('e') ? 'all' : o.has('m') ? 'none' : 'parents')
    if (text !== undefined) out.text(text + (o.has('z') ? '\0' : '\n'))
    else {
      if (!o.has('q')) context.warn(`${path}: No such file or directory`)
      status = 1
    }
  }
  return status
}

const mktemp: Tool = (args, { files, out, world, env }) => {
  const o = parseOptions(args, { letters: 'dqtup:', long: { directory: 'd', quiet: 'q', 'dry-run': 'u', tmpdir: 'p' } })
  const [given] = o.operands
  const template = given ?? 'tmp.XXXXXXXXXX'
  const tail = /X{3,}(?=[^X/]*$)/.exec(template)
  if (!tail) throw new ToolError(`too few X's in template '${template}'`)
  const folder = o.value('p') ?? (given === undefined || o.has('t') ? (env.get('TMPDIR') ?? '/tmp') : undefined)
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  for (let attempt = 0; attempt < 100; attempt++) {
    const random = new Uint8Array(tail[0].length)
    world.random(random)
    const name = template.replace(tail[0], [...random].map((b) => letters[b % letters.length]).join(''))
    const path = folder === undefined ? name : `${folder.replace(/\/+$/, '')}/${name}`
    if (files.find(path, false)) continue
    if (!o.has('u')) {
      if (o.has('d')) files.makeDir(path, 0o700)
      else files.open(path, { create: true, exclusive: true }, 0o600).fd_close()
    }
    out.text(`${path}\n`)
    return 0
  }
  throw new ToolError(`failed to create from template '${template}'`)
}

/** Tools that make, remove and name paths. */
export const pathTools: Readonly<Record<string, Tool>> = {
  basename,
  dirname,
  ln,
  mkdir,
  mktemp,
  readlink,
  realpath,
  rm,
  rmdir,
}
