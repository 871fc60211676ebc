import { TsboxError } from '../../base/error.js'
import { splitCredentials } from '../../base/git-url.js'

/** As BuildKit has it, a token for GitHub counts for all of it, others for their repository alone. */
const WHOLE_HOSTS = ['https://github.com/', 'https://www.github.com/']

/**
 * The setting that lets git in: the credentials of the address itself, else what the build's secrets say. They never
 * become arguments of a process, which anybody may read.
 *
 * @param secret content of a secret: `GIT_AUTH_HEADER` is the value of an Authorization header, `GIT_AUTH_TOKEN` a
 *   token for basic authentication; with `.HOST` behind it for that host only
 * @returns none where nothing was given, or the repository is not behind HTTP
 * @throws TsboxError E_SECRET
 */
export async function authorization(
  address: string,
  secret: (id: string) => Promise<Uint8Array | undefined>,
): Promise<[key: string, value: string][]> {
  const { remote, user, password } = splitCredentials(address)
  const host = /^https?:\/\/([^/]+)/.exec(remote)?.[1]
  if (host === undefined) return []
  const header = user === undefined ? await fromSecrets(host, secret) : basic(user, password ?? '')
  if (header === undefined) return []
  const scope = WHOLE_HOSTS.find((url) => remote.startsWith(url)) ?? remote
  return [[`http.${scope}.extraheader`, `Authorization: ${header}`]]
}

async function fromSecrets(
  host: string,
  secret: (id: string) => Promise<Uint8Array | undefined>,
): Promise<string | undefined> {
  for (const suffix of [`.${host}`, '']) {
    const header = await textOf(`GIT_AUTH_HEADER${suffix}`, secret)
    if (header !== undefined) return header
    const token = await textOf(`GIT_AUTH_TOKEN${suffix}`, secret)
    if (token !== undefined) return basic('x-access-token', token)
  }
  return undefined
}

async function textOf(
  id: string,
  secret: (id: string) => Promise<Uint8Array | undefined>,
): Promise<string | undefined> {
  const value = await secret(id)
  if (value === undefined) return undefined
  // Files end with a line break, which a header can't have.
  const text = Buffer.from(value).toString('utf8').trim()
  if (/[\r\n\0]/.test(text))
    throw new TsboxError('E_SECRET', `cannot use secret "${id}": it has more than one line`, {
      hint: 'it must be the token, or the value of the header, and nothing else',
    })
  return text === '' ? undefined : text
}

function basic(user: string, password: string): string {
  return `basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
