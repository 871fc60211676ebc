/** A URL as errors, history and progress may show it: the credentials in it are replaced, as Go's `URL.Redacted` does. */
export function redactUrl(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)([^/?#@]*)@/i, (_, scheme: string, user: string) => {
    const colon = user.indexOf(':')
    return colon < 0 ? `${scheme}${user}@` : `${scheme}${user.slice(0, colon)}:xxxxx@`
  })
}

/** What a source of ADD, or a build context, is when it is no path: a file behind HTTP(S), or a git repository. */
export function remoteKind(text: string): 'http' | 'git' | undefined {
  if (/^(git|ssh|git\+ssh):\/\//.test(text) || /^[\w.-]+@[\w.-]+:(?!\/\/)/.test(text)) return 'git'
  if (!/^https?:\/\//.test(text)) return undefined
  const path = text.replace(/[?#].*$/s, '').replace(/^https?:\/\/[^/]*/, '')
  return path.endsWith('.git') ? 'git' : 'http'
}

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
