import { TsboxError } from '../../base/error.js'
import { dirName } from '../../base/path.js'
import type { Entry } from '../../layer/entry.js'

/** Metadata of a tree, enough to resolve paths in it. */
export interface Lookup {
  lstat(path: string): Entry | undefined
}

/** As the kernel's own limit. @see path_resolution(7) */
const MAX_LINKS = 40

/**
 * Follows every symbolic link of `path` inside the tree, as chroot would: `..` stops at the root, absolute targets
 * start there, and what does not exist is taken literally.
 *
 * @param path relative or rooted
 * @param followLast whether the last component is followed too
 * @returns a path relative to the root without links; `''` is the root
 * @throws TsboxError E_TOO_MANY_LINKS
 */
export function resolveInTree(tree: Lookup, path: string, followLast = true): string {
  let links = 0
  let resolved: string[] = []
  const pending = path.split('/').reverse()
  while (pending.length) {
    const name = pending.pop()!
    if (name === '' || name === '.') continue
    if (name === '..') {
      resolved.pop()
      continue
    }
    const here = [...resolved, name].join('/')
    const entry = tree.lstat(here)
    const last = pending.every((p) => p === '')
    if (entry?.type !== 'symlink' || (last && !followLast)) {
      resolved.push(name)
      continue
    }
    if (++links > MAX_LINKS)
      throw new TsboxError('E_TOO_MANY_LINKS', `resolve path: too many levels of symbolic links "${path}"`)
    const target = entry.link ?? ''
    if (target.startsWith('/')) resolved = []
    pending.push(...target.split('/').reverse())
  }
  return resolved.join('/')
}

/** The directories above a relative path, outermost first, without the root: `a/b/c` → `a`, `a/b`. */
export function parentsOf(path: string): string[] {
  const out: string[] = []
  for (let p = dirName(path); p !== ''; p = dirName(p)) out.unshift(p)
  return out
}
