import { TsboxError } from '../../base/error.js'
import { type GitSource, isCommitId } from '../../base/git-url.js'
import { redactRemote } from '../../base/url.js'
import { fetchFailure, type GitAccess, runGit } from './git-command.js'

/** The commit that a source means now. */
export interface ResolvedRef {
  /** Full id. */
  commit: string
  /** The ref's full name; undefined where the commit itself was asked for. */
  name?: string | undefined
  /** Id of the annotated tag that leads to the commit. */
  tag?: string | undefined
}

/**
 * Finds the commit of a source: a full id is one already, anything else is asked of the server, once.
 *
 * @param source its remote without credentials
 * @throws TsboxError E_GIT_REF, E_GIT_FETCH, E_GIT_CHECKSUM, E_NO_GIT
 */
export async function resolveRef(source: GitSource, access: GitAccess): Promise<ResolvedRef> {
  const found = isCommitId(source.ref) ? { commit: source.ref } : await ask(source, access)
  const { checksum, remote } = source
  const ids = [found.commit, ...(found.tag === undefined ? [] : [found.tag])]
  if (checksum === '' || ids.some((id) => id.startsWith(checksum))) return found
  throw new TsboxError(
    'E_GIT_CHECKSUM',
    `expected checksum to match ${checksum}, got ${ids.join(' or ')}: "${redactRemote(remote)}"`,
    { hint: 'look at what the ref gives now before you change the checksum' },
  )
}

async function ask({ remote, ref }: GitSource, access: GitAccess): Promise<ResolvedRef> {
  const wanted = ref === '' ? ['--symref', '--', remote, 'HEAD'] : ['--', remote, ref, `${ref}^{}`]
  let answer: string
  try {
    answer = await runGit(['ls-remote', ...wanted], access)
  } catch (err) {
    throw fetchFailure(err, remote)
  }
  const refs = new Map<string, string>()
  let head: string | undefined
  for (const line of answer.split('\n')) {
    const [id, name] = line.split('\t')
    if (name === undefined) continue
    if (id!.startsWith('ref: ')) head = id!.slice(5)
    else if (isCommitId(id!)) refs.set(name, id!)
  }
  const name = ref === '' ? 'HEAD' : candidates(ref).find((n) => refs.has(n))
  const id = name === undefined ? undefined : refs.get(name)
  if (id === undefined) throw noRef(remote, ref)
  const peeled = refs.get(`${name}^{}`)
  if (peeled !== undefined) return { commit: peeled, name, tag: id }
  return { commit: id, name: name === 'HEAD' ? head : name }
}

/** What a short name may stand for, as in BuildKit; as for git checkout, a branch comes before a tag. */
function candidates(ref: string): string[] {
  const rest = (prefix: string) => prefix + (ref.startsWith(prefix) ? ref.slice(prefix.length) : ref)
  return [...(ref === 'HEAD' ? ['HEAD'] : []), rest('refs/'), rest('refs/heads/'), rest('refs/tags/')]
}

/** The error for what a repository does not have. */
export function noRef(remote: string, ref: string): TsboxError {
  const shown = redactRemote(remote)
  if (ref === '')
    return new TsboxError('E_GIT_REF', `repository has no default branch: "${shown}"`, {
      hint: 'name a branch: URL#BRANCH',
    })
  const short = /^[0-9a-f]{4,39}$/.test(ref)
  return new TsboxError('E_GIT_REF', `repository does not contain ref ${ref}: "${shown}"`, {
    hint: short ? 'give a commit by its full id' : `git ls-remote ${shown} lists what there is`,
  })
}
