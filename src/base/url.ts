/** A URL as errors, history and progress may show it: the credentials in it are replaced, as Go's `URL.Redacted` does. */
export function redactUrl(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)([^/?#@]*)@/i, (_, scheme: string, user: string) => {
    const colon = user.indexOf(':')
    return colon < 0 ? `${scheme}${user}@` : `${scheme}${user.slice(0, colon)}:xxxxx@`
  })
}

/** `USER@HOST:PATH`, with the query and the fragment that tsbox reads. */
export const SCP_FORM = /^([\w.-]+@[\w.-]+:(?!\/\/)[^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s
/** The protocols that git repositories are fetched by. */
export const GIT_URL_FORM = /^((?:https?|git|ssh):\/\/[^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s

/** What a source of ADD, or a build context, is when it is no path: a file behind HTTP(S), or a git repository. */
export function remoteKind(text: string): 'http' | 'git' | undefined {
  if (isGitUrl(text)) return 'git'
  return /^https?:\/\//.test(text) ? 'http' : undefined
}

/** As BuildKit has it, a URL of HTTP(S) is a repository's only where its path ends with `.git`. */
function isGitUrl(text: string): boolean {
  if (SCP_FORM.test(text)) return true
  const remote = GIT_URL_FORM.exec(text)?.[1]
  if (remote === undefined) return false
  return !/^https?:/.test(remote) || /^https?:\/\/[^/]*\/.*\.git$/s.test(remote)
}

/** An address as messages, history and records may show it: of a repository, without anything that gives access. */
export function redactRemote(text: string): string {
  if (remoteKind(text) !== 'git') return redactUrl(text)
  return text
    .replace(
      HTTP_USER,
      (_, scheme: string, user: string) => `${scheme}${user.includes(':') ? 'xxxxx:xxxxx' : 'xxxxx'}@`,
    )
    .replace(/^((?:git|ssh):\/\/[^/?#@:]*):[^/?#]*@/i, '$1:xxxxx@')
}

/** Name and password of an HTTP(S) address; a token may be either. */
export const HTTP_USER = /^(https?:\/\/)([^/?#@]*)@/i

/**
 * Name that a file of this URL gets: the last part of its path, decoded.
 *
 * @returns undefined where the path has none
 */
export function urlFileName(url: string): string | undefined {
  const path = url.replace(/[?#].*$/s, '').replace(/^[a-z]+:\/\/[^/]*/i, '')
  const name = decoded(path).replace(/\/+$/, '').split('/').at(-1) ?? ''
  return usableName(name)
}

/**
 * Name in a Content-Disposition header, without any folders.
 *
 * @see RFC 6266; `filename*` is RFC 8187's form and comes first
 */
export function dispositionFileName(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const extended = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(header)?.[1]
  const quoted = /;\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(header)?.[1]?.replace(/\\(.)/g, '$1')
  const plain = /;\s*filename\s*=\s*([^;"\s]+)/i.exec(header)?.[1]
  const name = extended === undefined ? (quoted ?? plain) : decoded(extended)
  return name === undefined || name.endsWith('/') ? undefined : usableName(name.split('/').at(-1)!)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function usableName(name: string): string | undefined {
  return name === '' || name === '.' || name === '..' || name.includes('\0') ? undefined : name
}
