import { accessSync, constants, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { IdMaps } from './agent.js'
import type { IdExtent, IdMode } from './plan.js'

/** A way to map ids that may work here: only starting the helper with it tells. */
export interface IdCandidate {
  mode: IdMode
  maps: IdMaps
}

/** A range of subordinate ids. @see subuid(5) */
export interface SubidRange {
  start: number
  count: number
}

/** Who asks. */
export interface IdUser {
  uid: number
  gid: number
  /** Undefined where the account database has no name. */
  name?: string | undefined
}

/** Up to nobody, 65534. */
const IDS_NEEDED = 65535
/** The kernel takes 340 lines of a map. @see user_namespaces(7) */
const EXTENTS_MAX = 340

/**
 * Ranges that a file like /etc/subuid gives to a user, by name or by uid; lines that are no ranges are passed over.
 *
 * @see subuid(5)
 */
export function parseSubids(text: string, user: IdUser): SubidRange[] {
  const out: SubidRange[] = []
  for (const line of text.split('\n')) {
    const [who, start, count] = line.trim().split(':')
    if (who === undefined || who === '' || (who !== user.name && who !== String(user.uid))) continue
    const range = { start: Number(start), count: Number(count) }
    if (Number.isInteger(range.start) && Number.isInteger(range.count) && range.count > 0) out.push(range)
  }
  return out
}

/** Map of a namespace whose root is `own`, and whose other ids are the ranges, one after another. */
export function subidExtents(own: number, ranges: readonly SubidRange[]): IdExtent[] {
  const out: IdExtent[] = [{ inside: 0, outside: own, count: 1 }]
  let inside = 1
  for (const { start, count } of ranges.slice(0, EXTENTS_MAX - 1)) {
    out.push({ inside, outside: start, count })
    inside += count
  }
  return out
}

/** All ids of this user namespace as themselves, from the text of /proc/self/uid_map. */
export function identityExtents(text: string): IdExtent[] {
  const out: IdExtent[] = []
  for (const line of text.trim().split('\n')) {
    const [inside, , count] = line.trim().split(/\s+/).map(Number)
    if (inside !== undefined && count) out.push({ inside, outside: inside, count })
  }
  return out
}

/** First executable of that name in a PATH, also in the places where administrators' programs are. */
export function findProgram(name: string, path: string | undefined): string | undefined {
  for (const dir of [...(path ?? '').split(':'), '/usr/bin', '/bin', '/usr/sbin', '/sbin']) {
    if (!dir.startsWith('/')) continue
    try {
      accessSync(`${dir}/${name}`, constants.X_OK)
      return `${dir}/${name}`
    } catch {}
  }
  return undefined
}

/** The account that runs us. */
export function currentUser(): IdUser {
  const ids = { uid: process.geteuid!(), gid: process.getegid!() }
  try {
    return { ...ids, name: userInfo().username }
  } catch {
    // A uid without an account, as `docker run -u 1234` gives it.
    return ids
  }
}

/** Ways to map ids, best first: never empty, because one id can always be tried. */
export function idCandidates(env: Readonly<Record<string, string | undefined>>): IdCandidate[] {
  const user = currentUser()
  const ranged = subidMaps(user, env)
  const out: IdCandidate[] = []
  if (ranged) out.push({ mode: 'subid', maps: ranged })
  else if (user.uid === 0) {
    const uids = identityExtents(readText('/proc/self/uid_map'))
    const gids = identityExtents(readText('/proc/self/gid_map'))
    if (covers(uids) && covers(gids)) out.push({ mode: 'subid', maps: { method: 'direct', uids, gids } })
  }
  out.push({ mode: 'single', maps: { method: 'single' } })
  return out
}

/** The ids as they are, without a namespace for them; undefined for an ordinary user. */
export function hostCandidate(): IdCandidate | undefined {
  return process.geteuid!() === 0 ? { mode: 'subid', maps: { method: 'host' } } : undefined
}

/** Maps as ids on disk mean them: without a namespace they are those of one that maps each to itself. */
export function mapOnDisk(maps: IdMaps): IdMaps {
  if (maps.method !== 'host') return maps
  const [uids, gids] = ['uid', 'gid'].map((kind) => identityExtents(readText(`/proc/self/${kind}_map`)))
  return { method: 'direct', uids: uids!, gids: gids! }
}

/** How many ids there are to be mapped in the namespace that we are in. */
export function usableIds(): number {
  return identityExtents(readText('/proc/self/uid_map')).reduce((n, e) => n + e.count, 0)
}

/** Whether images find their ids: root of a namespace with one id, or a few, is better off with emulated ones. */
function covers(extents: readonly IdExtent[]): boolean {
  return extents.reduce((n, e) => n + e.count, 0) >= IDS_NEEDED
}

function subidMaps(user: IdUser, env: Readonly<Record<string, string | undefined>>): IdMaps | undefined {
  const uids = parseSubids(readText('/etc/subuid'), user)
  const gids = parseSubids(readText('/etc/subgid'), user)
  const newuidmap = findProgram('newuidmap', env.PATH)
  const newgidmap = findProgram('newgidmap', env.PATH)
  if (!uids.length || !gids.length || !newuidmap || !newgidmap) return undefined
  return {
    method: 'newidmap',
    uids: subidExtents(user.uid, uids),
    gids: subidExtents(user.gid, gids),
    newuidmap,
    newgidmap,
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
