import type { FileInode } from './vfs/inode.js'
import { find } from './vfs/resolve.js'
import type { Tree } from './vfs/tree.js'

/** What a shell or runc searches where PATH is not set. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Where a program is looked for. */
export interface ProgramQuery {
  name: string
  /** Absolute; where a relative path starts. */
  cwd: string
  /** `K=V`; only PATH counts. */
  env: readonly string[]
}

/**
 * Finds a program as execvp(3) does, in the root and through its links. Whether it is executable is not asked: the
 * images of WASI programs that are about often don't mark them.
 */
export function findProgram(tree: Tree, { name, cwd, env }: ProgramQuery): FileInode | undefined {
  if (name === '') return undefined
  const from = (path: string) => (path.startsWith('/') ? path : `${cwd}/${path}`)
  if (name.includes('/')) return fileAt(tree, from(name))
  const path = env.findLast((v) => v.startsWith('PATH='))?.slice('PATH='.length) ?? DEFAULT_PATH
  for (const dir of path.split(':')) {
    const found = fileAt(tree, from(`${dir || '.'}/${name}`))
    if (found) return found
  }
  return undefined
}

function fileAt(tree: Tree, path: string): FileInode | undefined {
  const node = find(tree, tree.root, path)
  return node?.kind === 'file' ? node : undefined
}
