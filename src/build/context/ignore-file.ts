import { cleanPath } from '../../base/path.js'

/**
 * Lines of a `.dockerignore` as patterns: comments and empty lines left out, paths cleaned, one leading slash dropped.
 *
 * @see moby/patternmatcher ignorefile
 */
export function parseIgnoreFile(text: string): string[] {
  const patterns: string[] = []
  for (const raw of text.replace(/^\ufeff/, '').split('\n')) {
    if (raw.startsWith('#')) continue
    const line = raw.trim()
    if (line === '') continue
    const negated = line.startsWith('!')
    let path = negated ? line.slice(1).trim() : line
    if (path !== '') {
      path = cleanPath(path)
      if (path.length > 1 && path.startsWith('/')) path = path.slice(1)
    }
    patterns.push(negated ? `!${path}` : path)
  }
  return patterns
}
