import type { Inode } from '../../vfs/inode.js'
import { fromName, textOf } from '../bytes.js'
import { type Tool, type ToolContext, ToolError } from '../command.js'
import { parseMode } from '../mode.js'
import { parseDate } from './date.js'
import { each } from './each.js'
import { parseOptions, requireOperands } from './options.js'

/** Lines of /etc/passwd or /etc/group as fields. */
function database(context: ToolContext, path: string): string[][] {
  if (context.files.find(path)?.kind !== 'file') return []
  return textOf(context.files.read(path))
    .split('\n')
    .map((line) => line.split(':'))
}

/** Name of an id, or the number. */
export function nameOfId(context: ToolContext, kind: 'passwd' | 'group', id: number): string {
  return database(context, `/etc/${kind}`).find((f) => f[2] === String(id))?.[0] ?? String(id)
}

/** `user`, `user:group`, `:group`, names or numbers. @throws {ToolError} */
export function parseOwner(context: ToolContext, text: string): { uid?: number; gid?: number } {
  const [user = '', group] = text.split(/[:.](.*)/s) as [string, string | undefined]
  const line = database(context, '/etc/passwd').find((f) => f[0] === user)
  const id = (kind: 'passwd' | 'group', name: string) => {
    const found = database(context, `/etc/${kind}`).find((f) => f[0] === name)?.[2] ?? name
    if (!/^\d+$/.test(found)) throw new ToolError(`invalid ${kind === 'group' ? 'group' : 'user'}: '${text}'`)
    return Number(found)
  }
  const owner: { uid?: number; gid?: number } = {}
  if (user !== '') owner.uid = id('passwd', user)
  if (group) owner.gid = id('group', group)
  // `user:` is the user's own group.
  else if (group === '' && line?.[3] !== undefined) owner.gid = Number(line[3])
  return owner
}

/** The path, and with `recursive` all below it; links below are not followed. */
function* walk(context: ToolContext, path: string, recursive: boolean, follow: boolean): Generator<Inode> {
  const node = context.files.stat(path, follow)
  yield node
  if (!recursive || node.kind !== 'dir') return
  for (const name of context.files.tree.names(node))
    yield* walk(context, `${path.replace(/\/+$/, '')}/${fromName(name)}`, true, false)
}

const chmod: Tool = (args, context) => {
  // A mode may look like an option: -x.
  const at = args.findIndex((a) => /^-[rwxXst]+/.test(a) && !/^-R/.test(a))
  const given = at >= 0 ? [...args.slice(0, at), '--', ...args.slice(at)] : args
  const o = parseOptions(given, {
    letters: 'Rcfv',
    long: { recursive: 'R', quiet: 'f', silent: 'f', verbose: 'v', changes: 'c', reference: 'r' },
  })
  requireOperands(o.operands, 2)
  const [text, ...paths] = o.operands as [string, ...string[]]
  return each(context, paths, 'cannot access', (path) => {
    for (const node of walk(context, path, o.has('R'), true)) {
      if (node.kind === 'symlink') continue
      const mode = parseMode(text, { mode: node.mode, directory: node.kind === 'dir', umask: context.files.umask })
      if (mode === undefined) throw new ToolError(`invalid mode: '${text}'`)
      context.files.chmod(node, mode)
    }
  })
}

function changeOwner(args: readonly string[], context: ToolContext, group: boolean): number {
  const o = parseOptions(args, {
    letters: 'Rhcfv',
    long: { recursive: 'R', 'no-dereference': 'h', quiet: 'f', silent: 'f', verbose: 'v' },
  })
  requireOperands(o.operands, 2)
  const [text, ...paths] = o.operands as [string, ...string[]]
  const { uid, gid } = parseOwner(context, group ? `:${text}` : text)
  return each(context, paths, 'cannot access', (path) => {
    for (const node of walk(context, path, o.has('R'), !o.has('h') && !o.has('R'))) context.files.chown(node, uid, gid)
  })
}

const touch: Tool = (args, context) => {
  const { files, world } = context
  const o = parseOptions(args, {
    letters: 'acd:hmr:t:',
    long: { 'no-create': 'c', date: 'd', reference: 'r', 'no-dereference': 'h' },
  })
  requireOperands(o.operands)
  const reference = o.value('r') === undefined ? undefined : files.stat(o.value('r')!)
  const given = o.value('d') ?? (o.value('t') === undefined ? undefined : stamp(o.value('t')!))
  const time =
    reference?.mtime ?? (given === undefined ? world.clock.realtime() : parseDate(given, world.clock.realtime()))
  if (time === undefined) throw new ToolError(`invalid date format '${given}'`)
  return each(context, o.operands, 'cannot touch', (path) => {
    const node = files.find(path, !o.has('h'))
    if (!node && o.has('c')) return
    if (!node) files.open(path, { create: true }).fd_close()
    const only = o.has('a') !== o.has('m')
    const made = files.stat(path, !o.has('h'))
    files.setTimes(
      made,
      only && o.has('m') ? undefined : (reference?.atime ?? time),
      only && o.has('a') ? undefined : time,
    )
  })
}

/** `[[CC]YY]MMDDhhmm[.ss]` as a date. */
function stamp(text: string): string {
  const m = /^(?:(\d{2})?(\d{2}))?(\d{2})(\d{2})(\d{2})(\d{2})(?:\.(\d{2}))?$/.exec(text)
  if (!m) return text
  const [, century, year, month, day, hour, minute, second = '00'] = m
  const full = year === undefined ? '1970' : (century ?? (Number(year) < 69 ? '20' : '19')) + year
  return `${full}-${month}-${day} ${hour}:${minute}:${second}`
}

const id: Tool = (args, context) => {
  const { world, out } = context
  const o = parseOptions(args, { letters: 'ugnGr', long: { user: 'u', group: 'g', name: 'n', groups: 'G', real: 'r' } })
  const [who] = o.operands
  const line =
    who === undefined ? undefined : database(context, '/etc/passwd').find((f) => f[0] === who || f[2] === who)
  if (who !== undefined && !line) throw new ToolError(`'${who}': no such user`)
  const [uid, gid] = line ? [Number(line[2]), Number(line[3])] : [world.uid, world.gid]
  const user = nameOfId(context, 'passwd', uid)
  const group = nameOfId(context, 'group', gid)
  const shown = (number: number, name: string) => (o.has('n') ? name : String(number))
  if (o.has('u')) out.text(`${shown(uid, user)}\n`)
  else if (o.has('g') || o.has('G')) out.text(`${shown(gid, group)}\n`)
  else {
    const label = (number: number, name: string) => (name === String(number) ? `${number}` : `${number}(${name})`)
    out.text(`uid=${label(uid, user)} gid=${label(gid, group)} groups=${label(gid, group)}\n`)
  }
  return 0
}

/** Tools about modes, owners, times and users. */
export const metadataTools: Readonly<Record<string, Tool>> = {
  chgrp: (args, context) => changeOwner(args, context, true),
  chmod,
  chown: (args, context) => changeOwner(args, context, false),
  id,
  touch,
  whoami: (args, context) => {
    parseOptions(args, { letters: '' })
    context.out.text(`${nameOfId(context, 'passwd', context.world.uid)}\n`)
    return 0
  },
}
