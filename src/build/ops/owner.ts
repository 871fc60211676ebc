import { TsboxError } from '../../base/error.js'
import { isId, parseGroup, parsePasswd } from '../../oci/user.js'
import type { FileTree } from '../seams.js'
import type { Owner } from './draft.js'
import { resolveInTree } from './resolve.js'

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
