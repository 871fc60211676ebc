import { TsboxError } from '../base/error.js'
import { find } from './vfs/resolve.js'
import type { Owner, Tree } from './vfs/tree.js'

/** Who a step runs as. */
export interface StepUser extends Owner {
  /** From the root's passwd; `/` where it has none for the user. */
  home: string
}

/** Largest file of names that is read. */
const MAX_DATABASE = 1 << 20

/**
 * Looks a user of an image's config up in the root's own passwd and group.
 *
 * @param user `''` (root), `name`, `uid`, `name:group`, `uid:gid`
 * @throws TsboxError E_USER_NOT_FOUND
 * @see OCI image-spec 1.1, config.md, "User"
 */
export function findUser(tree: Tree, user: string): StepUser {
  const [name = '', group] = user.split(':')
  const passwd = database(tree, '/etc/passwd')
  const wanted = name === '' ? '0' : name
  const line = passwd.find((fields) => fields[0] === wanted) ?? passwd.find((fields) => fields[2] === wanted)
  const uid = line?.[2] ?? wanted
  if (!isId(uid)) throw notFound('user', name)
  return {
    uid: Number(uid),
    gid: group ? findGroup(tree, group) : Number(line?.[3] ?? 0),
    home: line?.[5] || '/',
  }
}

function findGroup(tree: Tree, group: string): number {
  const groups = database(tree, '/etc/group')
  const id = groups.find((fields) => fields[0] === group)?.[2] ?? group
  if (!isId(id)) throw notFound('group', group)
  return Number(id)
}

function isId(text: string): boolean {
  return /^\d{1,10}$/.test(text)
}

function notFound(what: 'user' | 'group', name: string): TsboxError {
  const file = what === 'user' ? 'passwd' : 'group'
  return new TsboxError('E_USER_NOT_FOUND', `run as ${what}: not in the root's /etc/${file}: "${name}"`, {
    hint: 'create it in an earlier step or give its number',
  })
}

function database(tree: Tree, path: string): string[][] {
  const node = find(tree, tree.root, path)
  if (node?.kind !== 'file') return []
  const bytes = new Uint8Array(Math.min(node.content.sizeBytes, MAX_DATABASE))
  node.content.read(bytes, 0)
  return new TextDecoder()
    .decode(bytes)
    .split('\n')
    .map((line) => line.split(':'))
}
