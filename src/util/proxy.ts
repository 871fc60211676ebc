type Env = Readonly<Record<string, string | undefined>>

/** The proxy for a URL, as curl and Go read the environment; undefined where it is to be reached directly. */
export function proxyFor(url: URL, env: Env): { url: URL; authorization?: string | undefined } | undefined {
  const secure = url.protocol === 'https:'
  const text = (secure ? [env.https_proxy, env.HTTPS_PROXY] : [env.http_proxy, env.HTTP_PROXY]).find((v) => v)
  if (!text || bypassed(url, env.no_proxy ?? env.NO_PROXY ?? '')) return undefined
  const proxy = parseProxy(text)
  if (!proxy) return undefined
  const { username, password } = proxy
  if (username === '' && password === '') return { url: proxy }
  proxy.username = ''
  proxy.password = ''
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { url: proxy, authorization: `Basic ${Buffer.from(user).toString('base64')}` }
}

/** `HOST:PORT` stands for an HTTP proxy; SOCKS is none that could be spoken to. */
function parseProxy(text: string): URL | undefined {
  try {
    const url = new URL(/^[a-z0-9]+:\/\//i.test(text) ? text : `http://${text}`)
    return url.protocol === 'http:' ? url : undefined
  } catch {
    return undefined
  }
}

function bypassed({ hostname, port, protocol }: URL, noProxy: string): boolean {
  if (hostname === 'localhost' || hostname.startsWith('127.') || hostname === '[::1]') return true
  const full = `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
  return noProxy
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((rule) => rule === '*' || matches(hostname, rule) || matches(full, rule))
}

/** `example.org` means it and all below it, `.example.org` only what is below. */
function matches(host: string, rule: string): boolean {
  const name = rule.replace(/^\*/, '').toLowerCase()
  return name.startsWith('.') ? host.endsWith(name) : host === name || host.endsWith(`.${name}`)
}
