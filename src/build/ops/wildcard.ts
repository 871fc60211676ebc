import { matchGlob } from '../context/glob.js'
import type { FileTree } from '../seams.js'
import { resolveInTree } from './resolve.js'

/**
 * Paths of a tree that a source with wildcards names, in the order of a walk; a source without any names itself,
 * whether it exists or not. Links before the first wildcard are followed.
 *
 * @param source rooted or relative, cleaned
 * @see Go path/filepath.Match
 */
export function expandWildcards(tree: FileTree, source: string): string[] {
  const parts = source.split('/').filter((p) => p !== '')
  const first = parts.findIndex(hasWildcard)
  if (first < 0) return [parts.map(withoutEscapes).join('/')]
  const dir = resolveInTree(tree, parts.slice(0, first).join('/'))
  const patterns = parts.slice(first)
  const out: string[] = []
  const walk = (at: string, depth: number) => {
    for (const name of tree.readdir(at)) {
      if (!matchGlob(patterns[depth]!, name)) continue
      const path = at === '' ? name : `${at}/${name}`
      if (depth === patterns.length - 1) out.push(path)
      else if (tree.lstat(path)?.type === 'dir') walk(path, depth + 1)
    }
  }
  walk(dir, 0)
  return out
}

/** Whether a path component has a wildcard that is not escaped. */
export function hasWildcard(part: string): boolean {
  for (let i = 0; i < part.length; i++) {
    if (part[i] === '\\') i++
    else if ('*?['.includes(part[i]!)) return true
  }
  return false
}

function withoutEscapes(part: string): string {
  return part.replace(/\\(.)/g, '$1')
}
