import { TsboxError } from '../../base/error.js'
import type { FileTree } from '../seams.js'
import type { Owner } from './draft.js'
import { resolveInTree } from './resolve.js'

/** A line of passwd(5), as far as it matters here. */
export interface PasswdEntry {
  name: string
  uid: number
  gid: number
  home: string
  shell: string
}

/** A line of group(5). */
export interface GroupEntry {
  name: string
  gid: number
  members: string[]
}

/** Lines of passwd(5); broken ones are passed over, as libc does. */
export function parsePasswd(text: string): PasswdEntry[] {
  return fieldsOf(text, 7)
    .filter((f) => isId(f[2]) && isId(f[3]))
    .map((f) => ({ name: f[0]!, uid: Number(f[2]), gid: Number(f[3]), home: f[5] ?? '', shell: f[6] ?? '' }))
}

/** Lines of group(5); broken ones are passed over. */
export function parseGroup(text: string): GroupEntry[] {
  return fieldsOf(text, 3)
    .filter((f) => isId(f[2]))
    .map((f) => ({ name: f[0]!, gid: Number(f[2]), members: (f[3] ?? '').split(',').filter((m) => m !== '') }))
}

function fieldsOf(text: string, atLeast: number): string[][] {
  return text
    .split('\n')
    .map((line) => line.trim().split(':'))
    .filter((f) => f.length >= Math.min(atLeast, 3) && f[0] !== '' && !f[0]!.startsWith('#'))
}

function isId(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff
}

/**
 * Owner that `--chown=user[:group]` names; names are looked up in the root's own files, a lone number is both ids, a
 * lone name brings its group from passwd.
 *
 * @throws TsboxError E_UNKNOWN_USER, E_UNKNOWN_GROUP
 */
export async function parseOwner(spec: string, root: FileTree): Promise<Owner> {
  const colon = spec.indexOf(':')
  const user = colon < 0 ? spec : spec.slice(0, colon)
  const group = colon < 0 ? '' : spec.slice(colon + 1)
  const owner: Owner = { uid: 0, gid: 0 }
  if (isId(user)) owner.uid = owner.gid = Number(user)
  else if (user !== '') {
    const found = parsePasswd(await readText(root, 'etc/passwd')).find((p) => p.name === user)
    if (!found)
      throw new TsboxError('E_UNKNOWN_USER', `look up owner: no such user in the image's /etc/passwd "${user}"`, {
        hint: 'create the user in an earlier RUN, or give a number',
      })
    owner.uid = found.uid
    owner.gid = found.gid
  }
  if (isId(group)) owner.gid = Number(group)
  else if (group !== '') {
    const found = parseGroup(await readText(root, 'etc/group')).find((g) => g.name === group)
    if (!found)
      throw new TsboxError('E_UNKNOWN_GROUP', `look up owner: no such group in the image's /etc/group "${group}"`, {
        hint: 'create the group in an earlier RUN, or give a number',
      })
    owner.gid = found.gid
  }
  return owner
}

async function readText(root: FileTree, path: string): Promise<string> {
  const real = resolveInTree(root, path)
  if (root.lstat(real)?.type !== 'file') return ''
  return new TextDecoder().decode(await root.readFile(real))
}
