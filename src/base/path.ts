/** Lexical paths with `/`, as Go's `path` package has them: nothing here touches a file system. */

/** Shortest equivalent path; `''` becomes `.`; a leading `..` of a rooted path is dropped. @see Go path.Clean */
export function cleanPath(path: string): string {
  const rooted = path.startsWith('/')
  const out: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') out.push(part)
    else if (out.length && out[out.length - 1] !== '..') out.pop()
    else if (!rooted) out.push('..')
  }
  const joined = out.join('/')
  return rooted ? `/${joined}` : joined || '.'
}

/** Joins and cleans; an absolute later part does not restart the path (Go's `path.Join`). */
export function joinPath(...parts: string[]): string {
  const given = parts.filter((p) => p !== '')
  return given.length ? cleanPath(given.join('/')) : ''
}

/** `path` seen from the root, without a leading slash: `''` is the root itself and nothing escapes it. */
export function relativeToRoot(path: string): string {
  return cleanPath(`/${path}`).slice(1)
}

/** Everything before the last slash; `''` for a name at the root of a relative path. */
export function dirName(path: string): string {
  const i = path.lastIndexOf('/')
  return i < 0 ? '' : path.slice(0, i)
}

/** Everything after the last slash. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Cleans a rooted path and keeps a trailing slash, which in COPY means a directory. */
export function cleanKeepSlash(path: string): string {
  const clean = cleanPath(`/${path}`)
  return (path.endsWith('/') || path.endsWith('/.')) && clean !== '/' ? `${clean}/` : clean
}
