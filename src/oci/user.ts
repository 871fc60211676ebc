import { TsboxError } from '../base/error.js'

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

/** A number that can be a user or group id. */
export function isId(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff
}

/** A user as a process runs as it. */
export interface ResolvedUser {
  uid: number
  gid: number
  /** Supplementary groups. */
  groups: number[]
  home: string
  /** Empty where the id has no entry. */
  name: string
}

/**
 * The user that an image's `User` (or `--user`) means, by the root's own passwd and group files.
 *
 * @param spec `''`, `user`, `uid`, `user:group`, `uid:gid`, …
 * @throws TsboxError E_UNKNOWN_USER, E_UNKNOWN_GROUP, exit code 125
 * @see OCI image-spec 1.1, config.md, "User"; moby/sys/user GetExecUser
 */
export function resolveUser(spec: string, passwd: string, group: string): ResolvedUser {
  const colon = spec.indexOf(':')
  const user = colon < 0 ? spec : spec.slice(0, colon)
  const wantedGroup = colon < 0 ? '' : spec.slice(colon + 1)
  const users = parsePasswd(passwd)
  const found = user === '' ? users.find((u) => u.uid === 0) : findUser(users, user)
  if (!found && user !== '' && !isId(user)) throw unknown('user', user)
  const uid = found?.uid ?? (user === '' ? 0 : Number(user))
  const home = found?.home || (uid === 0 && !found ? '/root' : '/')
  const result: ResolvedUser = { uid, gid: found?.gid ?? 0, groups: [], home, name: found?.name ?? '' }
  const groups = parseGroup(group)
  if (wantedGroup !== '') {
    const match = groups.find((g) => g.name === wantedGroup)
    if (!match && !isId(wantedGroup)) throw unknown('group', wantedGroup)
    result.gid = match?.gid ?? Number(wantedGroup)
  } else if (found) result.groups = groups.filter((g) => g.members.includes(found.name)).map((g) => g.gid)
  return result
}

/** Ids of groups by name or number. @throws TsboxError E_UNKNOWN_GROUP, exit code 125 */
export function resolveGroups(names: readonly string[], group: string): number[] {
  if (!names.length) return []
  const groups = parseGroup(group)
  return names.map((name) => {
    const found = groups.find((g) => g.name === name)
    if (!found && !isId(name)) throw unknown('group', name)
    return found?.gid ?? Number(name)
  })
}

// A name that looks like a number is a name first, as in Docker.
function findUser(users: readonly PasswdEntry[], user: string): PasswdEntry | undefined {
  return users.find((u) => u.name === user) ?? (isId(user) ? users.find((u) => u.uid === Number(user)) : undefined)
}

function unknown(kind: 'user' | 'group', name: string): TsboxError {
  return new TsboxError(
    kind === 'user' ? 'E_UNKNOWN_USER' : 'E_UNKNOWN_GROUP',
    `unable to find ${kind} ${name}: no matching entries in ${kind === 'user' ? 'passwd' : 'group'} file`,
    { exitCode: 125, hint: `create it in the image, or give a number` },
  )
}
