import { TsboxError } from './error.js'
import { cleanPath } from './path.js'
import { GIT_URL_FORM, HTTP_USER, redactRemote, SCP_FORM } from './url.js'

/** A git repository, and what of it is meant. */
export interface GitSource {
  /** What git is given: a URL with the credentials that were in it, or `USER@HOST:PATH`. */
  remote: string
  /** Branch, tag, `refs/…` or commit id; `''` is the default branch. */
  ref: string
  /** Folder within the repository; `''` is all of it. Never rooted, never with `..`. */
  subdir: string
  /** Digits that the commit's id begins with; `''` compares nothing. */
  checksum: string
  /** Whether the folder `.git` is wanted; undefined where the address does not say. */
  keepGitDir: boolean | undefined
  submodules: boolean
}

/**
 * Reads the address of a repository: `REMOTE[#[REF][:SUBDIR]]`, or with a query of `ref`, `tag`, `branch`, `commit` or
 * `checksum`, `subdir`, `keep-git-dir`, `submodules`.
 *
 * @param text one that `remoteKind` calls `git`
 * @throws TsboxError E_GIT_URL for what contradicts itself or leads out of the repository
 * @see moby/buildkit frontend/dockerfile/dfgitutil, Docker's "Build context", "Git repositories"
 */
export function parseGitUrl(text: string): GitSource {
  const scp = SCP_FORM.exec(text)
  const [, remote, query, fragment] = (scp ?? GIT_URL_FORM.exec(text))!
  const [ref, subdir] = (scp ? (fragment ?? '') : decoded(fragment ?? '', text)).split(/:(.*)/s)
  const wanted: Wanted = { ref: ref!, subdir: subdir ?? '', values: queryOf(query ?? '', text) }
  return readQuery(remote!, wanted, (reason) => wrong(text, reason))
}

interface Wanted {
  ref: string
  subdir: string
  values: ReadonlyMap<string, string>
}

type Refuse = (reason: string) => TsboxError

const KEYS = ['ref', 'tag', 'branch', 'commit', 'checksum', 'subdir', 'keep-git-dir', 'submodules']

function readQuery(remote: string, wanted: Wanted, refuse: Refuse): GitSource {
  const { values } = wanted
  for (const [key, value] of values) {
    if (!KEYS.includes(key)) throw refuse(`unexpected query "${key}"`)
    if (value === '' && key !== 'keep-git-dir' && key !== 'submodules') throw refuse(`query "${key}" has no value`)
  }
  const checksum = (values.get('commit') ?? values.get('checksum') ?? '').toLowerCase()
  if ((values.get('checksum') ?? checksum).toLowerCase() !== checksum) throw refuse('commit and checksum differ')
  if (checksum !== '' && !isCommitPrefix(checksum)) throw refuse(`no id of a commit "${checksum}"`)
  if (values.has('tag') && values.has('branch')) throw refuse('branch conflicts with tag')
  let ref = agreed('ref', wanted.ref, values.get('ref') ?? '', refuse)
  ref = agreed('ref', ref, prefixed('refs/tags/', values.get('tag')), refuse)
  ref = agreed('ref', ref, prefixed('refs/heads/', values.get('branch')), refuse)
  const keep = values.get('keep-git-dir')
  const submodules = values.get('submodules')
  return {
    remote,
    ref: ref || checksum,
    subdir: folder(agreed('subdir', wanted.subdir, values.get('subdir') ?? '', refuse), refuse),
    checksum,
    keepGitDir: keep === undefined ? undefined : boolean('keep-git-dir', keep, refuse),
    submodules: submodules === undefined || boolean('submodules', submodules, refuse),
  }
}

/** At least git's own shortest abbreviation. */
export function isCommitPrefix(text: string): boolean {
  return /^[0-9a-f]{4,64}$/.test(text)
}

/** A full id, of SHA-1 or SHA-256. */
export function isCommitId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text)
}

function agreed(what: string, a: string, b: string, refuse: Refuse): string {
  if (a !== '' && b !== '' && a !== b) throw refuse(`${what} conflicts: "${a}" vs "${b}"`)
  return a || b
}

function prefixed(prefix: string, name: string | undefined): string {
  return name === undefined || name.startsWith(prefix) ? (name ?? '') : prefix + name
}

function folder(path: string, refuse: Refuse): string {
  if (path.split('/').includes('..')) throw refuse(`the subdirectory leaves the repository "${path}"`)
  return cleanPath(`/${path}`).slice(1)
}

function boolean(key: string, value: string, refuse: Refuse): boolean {
  if (/^(?:|1|t|true)$/i.test(value)) return true
  if (/^(?:0|f|false)$/i.test(value)) return false
  throw refuse(`invalid ${key} value: "${value}"`)
}

function queryOf(query: string, text: string): Map<string, string> {
  const values = new Map<string, string>()
  for (const pair of query.split('&').filter((p) => p !== '')) {
    const [key, value] = pair.split(/=(.*)/s).map((part) => decoded(part.replaceAll('+', ' '), text))
    if (values.has(key!)) throw wrong(text, `query "${key}" has multiple values`)
    values.set(key!, value ?? '')
  }
  return values
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw wrong(text, `invalid URL escape "${part}"`)
  }
}

function wrong(text: string, reason: string): TsboxError {
  return new TsboxError('E_GIT_URL', `read address of git repository: ${reason}: "${redactRemote(text)}"`, {
    hint: 'write URL#REF:SUBDIR, or URL?branch=NAME&subdir=PATH, with tag=, ref= or commit= instead of branch=',
  })
}

/** Takes the credentials of HTTP(S) out of an address. */
export function splitCredentials(remote: string): { remote: string; user?: string; password?: string } {
  const given = HTTP_USER.exec(remote)?.[2]
  const clean = remote.replace(HTTP_USER, '$1')
  if (given === undefined || given === '') return { remote: clean }
  const [user, password] = given.split(/:(.*)/s).map((part) => decoded(part, remote))
  return { remote: clean, user: user!, password: password ?? '' }
}
