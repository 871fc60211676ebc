import { spawnSync } from 'node:child_process'
import type { BuildHost, FileTree } from '../../build/seams.js'
import { InternalStep } from '../../build/solve/internal-step.js'
import type { Contexts } from './contexts.js'

/** The date that the sources of a build have. */
export interface SourceDate {
  /** Seconds since 1970. */
  epoch: number
  /** Where it comes from, for people. */
  from: string
}

/** What a repository's own settings could start or reach is turned off: only its objects are read. */
const GIT_ARGS = ['--no-pager', '-c', 'protocol.allow=never', '-c', 'core.fsmonitor=false', '--no-replace-objects']
const GIT_LIMIT_MS = 10_000

/**
 * The date of a build's sources as SOURCE_DATE_EPOCH: that of the context's commit, else of its newest file.
 *
 * @param dir of a context that is a folder
 */
export function dateSources(
  host: BuildHost,
  contexts: Contexts,
  dir: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  return new InternalStep(host).run('[internal] find the date of the sources', async ({ status }) => {
    const commit = contexts.isRemote ? undefined : commitDate(dir, env)
    const { epoch, from } = commit ?? newestFile((await contexts.tree(''))!)
    status(`SOURCE_DATE_EPOCH=${epoch} (${from})`)
    return String(epoch)
  })
}

/**
 * Time of the commit that is checked out in the repository of a folder, read by the git program.
 *
 * @returns undefined where the folder is in no repository, nothing is committed, git is not installed, or git refuses a
 *   repository of another user
 */
export function commitDate(dir: string, env: Readonly<Record<string, string | undefined>>): SourceDate | undefined {
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('GIT_')))
  const ran = spawnSync('git', [...GIT_ARGS, '-C', dir, 'cat-file', 'commit', 'HEAD'], {
    env: { ...own, GIT_NO_LAZY_FETCH: '1', GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: GIT_LIMIT_MS,
  })
  if (ran.status !== 0) return undefined
  // The committer's line is the last of the header that ends with a time and a zone. See git-commit-tree(1).
  const header = ran.stdout.split('\n\n', 1)[0]!
  const seconds = /^committer .*> (\d{1,12}) [+-]\d{4}$/m.exec(header)?.[1]
  return seconds === undefined ? undefined : { epoch: Number(seconds), from: 'commit of the build context' }
}

/** Time of the newest file of a context; 1970 for an empty one. Folders do not count: a checkout makes them anew. */
export function newestFile(tree: FileTree): SourceDate {
  let epoch = 0
  let newest = ''
  const visit = (dir: string) => {
    for (const name of tree.readdir(dir)) {
      const path = dir === '' ? name : `${dir}/${name}`
      const entry = tree.lstat(path)
      if (entry?.type === 'dir') visit(path)
      else if (entry && entry.mtime > epoch) [epoch, newest] = [entry.mtime, path]
    }
  }
  visit('')
  return { epoch, from: newest === '' ? 'no file in the build context' : `newest file of the build context: ${newest}` }
}
