import { TsboxError } from '../base/error.js'
import { parseChallenge } from './auth/challenge.js'
import type { Credential } from './auth/credentials.js'
import { fetchToken, tokenRefusal } from './auth/token.js'
import type { Endpoint } from './config/endpoints.js'
import { TransportError } from './http/transport.js'
import type { Registry } from './registry.js'

/**
 * Proves credentials to a registry.
 *
 * @returns what to keep: a token that lasts where the registry gives one, else the same
 * @throws TsboxError E_REGISTRY_DENIED, E_REGISTRY_UNREACHABLE, E_REGISTRY_ANSWER
 */
export async function checkCredential(
  registry: Registry,
  endpoint: Endpoint,
  credential: Credential,
  signal: AbortSignal,
): Promise<Credential> {
  const connection = registry.connection(endpoint)
  const request = { method: 'GET', path: '/v2/', scopes: [], signal, action: 'log in', what: endpoint.registry }
  const answer = await connection.ask(request)
  if (answer.status !== 200) throw await connection.refusal(request, answer)
  answer.discard()
  return (await lastingToken(registry, endpoint, credential, signal)) ?? credential
}

/** Asks for a token in place of the password. */
async function lastingToken(
  registry: Registry,
  endpoint: Endpoint,
  credential: Credential,
  signal: AbortSignal,
): Promise<Credential | undefined> {
  if (!('username' in credential)) return undefined
  const { transport, plainHttp } = { transport: registry.transport, plainHttp: endpoint.plainHttp }
  const origin = await registry.connection(endpoint).origin(signal)
  try {
    const ping = await transport.send({ method: 'GET', url: new URL('/v2/', origin), headers: {}, signal })
    ping.discard()
    const challenge = parseChallenge(ping.headers['www-authenticate'])
    if (challenge?.scheme !== 'bearer') return undefined
    const got = await fetchToken(transport, { challenge, scopes: [], credential, offline: true, plainHttp, signal })
    if ('refused' in got) throw await tokenRefusal(got.refused, endpoint.registry, true)
    return got.refreshToken === undefined ? undefined : { identityToken: got.refreshToken }
  } catch (err) {
    if (!(err instanceof TransportError)) throw err
    throw new TsboxError('E_REGISTRY_UNREACHABLE', `log in: ${err.message}: "${endpoint.registry}"`, { cause: err })
  }
}
