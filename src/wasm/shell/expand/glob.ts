import { VfsError } from '../../vfs/error.js'
import type { Files } from '../files.js'
import { hasPattern, patternRegExp, unescapePattern } from './pattern.js'

/**
 * Paths that match a pattern, in byte order. Names that begin with a dot match only where the pattern has it.
 *
 * @param pattern quoted characters with a backslash before them
 */
export function globPaths(files: Files, pattern: string): string[] {
  const absolute = /^\/+/.exec(pattern)?.[0] ?? ''
  const parts = pattern.slice(absolute.length).split(/(\/+)/)
  let found = [absolute]
  for (let i = 0; i < parts.length && found.length > 0; i += 2) {
    const [part, slash = ''] = [parts[i]!, parts[i + 1] ?? '']
    found = found.flatMap((base) => step(files, base, part, slash))
  }
  return found.sort()
}

function step(files: Files, base: string, part: string, slash: string): string[] {
  if (part === '') return slash === '' && files.isDir(base) ? [base] : [base + slash]
  const accept = (name: string) => {
    const path = base + name
    const there = slash === '' ? files.find(path, false) !== undefined : files.isDir(path)
    return there ? [path + slash] : []
  }
  if (!hasPattern(part)) return accept(unescapePattern(part))
  const expression = patternRegExp(part)
  const dots = unescapePattern(part).startsWith('.')
  const names = dots ? ['.', '..', ...listed(files, base)] : listed(files, base)
  return names.filter((n) => (dots || !n.startsWith('.')) && expression.test(n)).flatMap(accept)
}

function listed(files: Files, base: string): string[] {
  try {
    return files.list(base === '' ? '.' : base)
  } catch (err) {
    if (err instanceof VfsError) return []
    throw err
  }
}
