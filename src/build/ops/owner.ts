import { isId, parseGroup, parsePasswd } from '../../oci/user.js'
import type { FileTree } from '../seams.js'
import type { Owner } from './draft.js'
import { resolveInTree } from './resolve.js'

/**
 * Owner that `--chown=user[:group]` (or USER, for WORKDIR) names; names are looked up in the root's own files, a lone
 * number is both ids, a lone name brings its group from passwd. As in BuildKit, a name that is not there means root.
 *
 * @param warn is told of such a name
 */
export async function parseOwner(spec: string, root: FileTree, warn: (text: string) => void): Promise<Owner> {
  const colon = spec.indexOf(':')
  const user = colon < 0 ? spec : spec.slice(0, colon)
  const group = colon < 0 ? '' : spec.slice(colon + 1)
  const owner: Owner = { uid: 0, gid: 0 }
  if (isId(user)) owner.uid = owner.gid = Number(user)
  else if (user !== '') {
    const found = parsePasswd(await readText(root, 'etc/passwd')).find((p) => p.name === user)
    if (found) Object.assign(owner, { uid: found.uid, gid: found.gid })
    else warn(`no user "${user}" in the image's /etc/passwd: root is the owner\n`)
  }
  if (isId(group)) owner.gid = Number(group)
  else if (group !== '') {
    const found = parseGroup(await readText(root, 'etc/group')).find((g) => g.name === group)
    if (found) owner.gid = found.gid
    else warn(`no group "${group}" in the image's /etc/group\n`)
  }
  return owner
}

async function readText(root: FileTree, path: string): Promise<string> {
  const real = resolveInTree(root, path)
  if (root.lstat(real)?.type !== 'file') return ''
  return new TextDecoder().decode(await root.readFile(real))
}
