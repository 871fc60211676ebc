import { TsboxError } from '../../base/error.js'
import { describeFault, faultOf, readBody } from '../http/answer.js'
import type { HttpResponse, Transport } from '../http/transport.js'
import type { Challenge } from './challenge.js'
import type { Credential } from './credentials.js'

const MAX_TOKEN_BYTES = 1 << 20
/** Tokens live at least this long by the specification, whatever they say. */
const MIN_LIFE_SECONDS = 60
const CLIENT = 'tsbox'

/** A token that a registry accepts for a while. */
export interface Token {
  /** Sent as it is. */
  text: string
  /** Milliseconds since 1970. */
  expiresMs: number
  /** For later tokens, where it was asked for. */
  refreshToken?: string | undefined
}

/** What a token is asked for. */
export interface TokenRequest {
  challenge: Extract<Challenge, { scheme: 'bearer' }>
  /** `repository:PATH:pull,push`; none only proves who one is. */
  scopes: readonly string[]
  credential: Credential | undefined
  /** Ask for a token that lasts, in place of the password. */
  offline?: boolean | undefined
  /** Whether credentials may go over plain HTTP. */
  plainHttp: boolean
  signal?: AbortSignal | undefined
}

/**
 * Asks the realm of a challenge for a token.
 *
 * @returns the token, or the answer of a realm that gives none
 * @throws TsboxError E_REGISTRY_AUTH for a realm that can't be used, TransportError
 * @see distribution/docs/spec/auth/token.md, oauth.md
 */
export async function fetchToken(
  transport: Transport,
  request: TokenRequest,
): Promise<Token | { refused: HttpResponse }> {
  const url = realmOf(request)
  const answer = await transport.send({ ...inForm(url, request), url, signal: request.signal })
  if (answer.status !== 200) return { refused: answer }
  const body = Buffer.from(await readBody(answer, MAX_TOKEN_BYTES, 'token')).toString()
  return tokenIn(body, url.host)
}

/** Says why there is no token. */
export async function tokenRefusal(answer: HttpResponse, registry: string, known: boolean): Promise<TsboxError> {
  const fault = await faultOf(answer)
  const denied = fault.status === 401 || fault.status === 403
  return new TsboxError(
    denied ? 'E_REGISTRY_DENIED' : 'E_REGISTRY_AUTH',
    `log in to registry: ${denied ? 'access denied' : 'no token'} (${describeFault(fault)}): "${registry}"`,
    { hint: denied ? loginHint(registry, known) : undefined },
  )
}

/** @param known whether credentials were given */
export function loginHint(registry: string, known: boolean): string {
  const name = registry === 'docker.io' ? '' : ` ${registry}`
  return known ? `the credentials are not accepted: tsbox login${name}` : `tsbox login${name}, if it is private`
}

function realmOf({ challenge, plainHttp }: TokenRequest): URL {
  const url = URL.canParse(challenge.realm) ? new URL(challenge.realm) : undefined
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && plainHttp)) return url
  throw new TsboxError('E_REGISTRY_AUTH', `log in to registry: its realm is no HTTPS address: "${challenge.realm}"`)
}

/** With an identity token OAuth2's form, else a GET with the password in its header. */
function inForm(url: URL, request: TokenRequest): { method: string; headers: Record<string, string>; body?: Buffer } {
  const { challenge, scopes, credential, offline } = request
  if (credential && 'identityToken' in credential) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      service: challenge.service ?? '',
      client_id: CLIENT,
      refresh_token: credential.identityToken,
      scope: scopes.join(' '),
    })
    const body = Buffer.from(form.toString())
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) }
    return { method: 'POST', headers, body }
  }
  if (challenge.service !== undefined) url.searchParams.set('service', challenge.service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  if (!credential) return { method: 'GET', headers: {} }
  url.searchParams.set('account', credential.username)
  if (offline) {
    url.searchParams.set('client_id', CLIENT)
    url.searchParams.set('offline_token', 'true')
  }
  return { method: 'GET', headers: { authorization: basic(credential) } }
}

/** @see RFC 7617 */
export function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function tokenIn(body: string, host: string): Token {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(body) as Record<string, unknown>
  } catch {
    throw unusable(host)
  }
  const text = value?.token || value?.access_token
  if (typeof text !== 'string' || !/^[\x21-\x7e]+$/.test(text)) throw unusable(host)
  const life = Math.max(MIN_LIFE_SECONDS, Number(value.expires_in) || MIN_LIFE_SECONDS)
  const refreshToken = typeof value.refresh_token === 'string' && value.refresh_token ? value.refresh_token : undefined
  // By our own clock from now on: that of the realm may be another one.
  return { text, expiresMs: Date.now() + life * 1000, refreshToken }
}

function unusable(host: string): TsboxError {
  return new TsboxError('E_REGISTRY_AUTH', `log in to registry: the answer of "${host}" holds no token`)
}
