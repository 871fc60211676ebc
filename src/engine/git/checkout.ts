import { lstatSync } from 'node:fs'
import type { GitSource } from '../../base/git-url.js'
import { removeOwnTree } from '../../util/remove-tree.js'
import { fetchFailure, type GitAccess, GitFailure, runGit } from './git-command.js'
import { noRef, type ResolvedRef } from './resolve-ref.js'

/** A server that can't do what was asked, but perhaps something else. */
const OTHER_WAY = /shallow|--depth|not our ref|unadvertised|find remote ref|does not support/i
/** All that has a name; for servers that give no commit by its id. */
const EVERYTHING = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*']

/**
 * Fetches one commit with its submodules and writes its files out, into a folder that is made for it. `.git` in it is a
 * repository of that one commit, with HEAD detached; where a branch or a tag was asked for, it is there under its name.
 *
 * @param source its remote without credentials
 * @param dir absolute; must not exist
 * @returns the committer's time, in seconds since 1970
 * @throws TsboxError E_GIT_FETCH, E_GIT_REF, E_NO_GIT; the folder then holds rubbish
 */
export async function checkOut(source: GitSource, ref: ResolvedRef, dir: string, access: GitAccess): Promise<number> {
  const git = (...args: string[]) => runGit(args, access, dir)
  const format = ref.commit.length === 64 ? ['--object-format=sha256'] : []
  try {
    await runGit(['init', '-q', '--template=', '--initial-branch=main', ...format, '--', dir], access)
    await git('remote', 'add', 'origin', source.remote)
    await fetchCommit(source, ref, git)
    if (ref.name?.startsWith('refs/')) await git('update-ref', ref.name, ref.tag ?? ref.commit)
    await git('checkout', '-q', '--force', '--detach', ref.commit)
    if (source.submodules && hasSubmodules(dir)) await updateSubmodules(git)
    for (const name of ['FETCH_HEAD', 'ORIG_HEAD']) removeOwnTree(`${dir}/.git/${name}`)
    return Number(await git('log', '-1', '--format=%ct', ref.commit))
  } catch (err) {
    throw fetchFailure(err, source.remote)
  }
}

type Git = (...args: string[]) => Promise<string>

/** As little as the server can be made to send: the commit alone, else its branch, else everything. */
async function fetchCommit(source: GitSource, { commit, name, tag }: ResolvedRef, git: Git): Promise<void> {
  // The branch that HEAD names is not there yet; without -u, git would not let it come by a fetch.
  const whole = ['fetch', '--progress', '-u', '--no-tags', 'origin']
  const shallow = [...whole.slice(0, -1), '--depth=1', 'origin']
  const named = name === undefined ? [] : [`+${name}:${name}`]
  const ways = [
    // An annotated tag is an object of its own, which only its name brings.
    ...(tag === undefined ? [[...shallow, commit]] : []),
    ...(name === undefined
      ? []
      : [
          [...shallow, ...named],
          [...whole, ...named],
        ]),
    [...whole, ...EVERYTHING],
  ]
  let refused: unknown
  for (const way of ways) {
    try {
      await git(...way)
      await git('cat-file', '-e', `${commit}^{commit}`)
      return
    } catch (err) {
      if (!(err instanceof GitFailure) || !(OTHER_WAY.test(err.said) || isMissing(err))) throw err
      refused = err
    }
  }
  throw refused instanceof GitFailure && !isMissing(refused) && !/not our ref|unadvertised/i.test(refused.said)
    ? refused
    : noRef(source.remote, commit)
}

/** Said by `cat-file`: the server has moved on, or gave something else. */
function isMissing({ said }: GitFailure): boolean {
  return /Not a valid object name|ended with status 1\b|ended with status 128/i.test(said)
}

function hasSubmodules(dir: string): boolean {
  return lstatSync(`${dir}/.gitmodules`, { throwIfNoEntry: false })?.isFile() ?? false
}

async function updateSubmodules(git: Git): Promise<void> {
  const update = ['submodule', 'update', '--progress', '--init', '--recursive']
  try {
    await git(...update, '--depth=1')
  } catch (err) {
    if (!(err instanceof GitFailure)) throw err
    if (!OTHER_WAY.test(err.said)) throw submoduleFailure(err)
    await git(...update).catch((again: unknown) => {
      throw again instanceof GitFailure ? submoduleFailure(again) : again
    })
  }
}

function submoduleFailure({ said }: GitFailure): GitFailure {
  return new GitFailure(`error: submodules: ${said}`)
}
