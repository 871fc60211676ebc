import { TsboxError } from '../../base/error.js'
import { Attempts, isTransientStatus, type RetryPolicy, retryAfterMs } from '../http/retry.js'
import type { HttpResponse, Transport } from '../http/transport.js'
import { type Challenge, parseChallenge } from './challenge.js'
import type { Credential } from './credentials.js'
import { basic, fetchToken, loginHint, type Token, tokenRefusal } from './token.js'

/** A token that ends sooner is renewed before it is used. */
const MARGIN_MS = 10_000

export interface AuthorizerOptions {
  transport: Transport
  /** For messages. */
  registry: string
  plainHttp: boolean
  credential(): Promise<Credential | undefined>
  retry: RetryPolicy
}

/** What one registry is told of who asks: found out by asking, then remembered. */
export class Authorizer {
  readonly #options: AuthorizerOptions
  readonly #tokens = new Map<string, Promise<Token>>()
  #challenge: Challenge | undefined
  #credential: Promise<Credential | undefined> | undefined

  constructor(options: AuthorizerOptions) {
    this.#options = options
  }

  /**
   * The Authorization header for a request, as far as it is known that one is wanted.
   *
   * @param scopes of a token
   * @throws TsboxError E_REGISTRY_DENIED, E_REGISTRY_AUTH
   */
  async header(scopes: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
    if (!this.#challenge) return undefined
    if (this.#challenge.scheme === 'bearer') return `Bearer ${(await this.#token(scopes, signal)).text}`
    const credential = await this.#known()
    return credential && 'username' in credential ? basic(credential) : undefined
  }

  /**
   * Hears that a request was answered with 401.
   *
   * @param sent the header that it had
   * @returns whether another try has another header
   */
  async refused(answer: HttpResponse, sent: string | undefined, scopes: readonly string[]): Promise<boolean> {
    const challenge = parseChallenge(answer.headers['www-authenticate'])
    if (!challenge) return false
    this.#challenge = challenge
    if (challenge.scheme === 'bearer') {
      const key = keyOf(scopes)
      const known = await this.#tokens.get(key)?.catch(() => undefined)
      // Somebody else may have fetched a new one meanwhile.
      if (known && sent === `Bearer ${known.text}`) this.#tokens.delete(key)
      return true
    }
    return sent === undefined && (await this.#known()) !== undefined
  }

  /** The error for a request that stays refused. */
  async denied(action: string, what: string): Promise<TsboxError> {
    const { registry } = this.#options
    const known = (await this.#known()) !== undefined
    return new TsboxError('E_REGISTRY_DENIED', `${action}: access denied: "${what}"`, {
      hint: loginHint(registry, known),
    })
  }

  #known(): Promise<Credential | undefined> {
    this.#credential ??= this.#options.credential()
    return this.#credential
  }

  #token(scopes: readonly string[], signal: AbortSignal | undefined): Promise<Token> {
    const key = keyOf(scopes)
    const known = this.#tokens.get(key)
    const made = (known ? known.then((t) => (isFresh(t) ? t : undefined)) : Promise.resolve(undefined)).then(
      (t) => t ?? this.#fetch(scopes, signal),
    )
    this.#tokens.set(key, made)
    made.catch(() => {
      if (this.#tokens.get(key) === made) this.#tokens.delete(key)
    })
    return made
  }

  async #fetch(scopes: readonly string[], signal: AbortSignal | undefined): Promise<Token> {
    const { transport, plainHttp, registry, retry } = this.#options
    const challenge = this.#challenge
    if (challenge?.scheme !== 'bearer') throw new Error('the registry asks for no token')
    const credential = await this.#known()
    const attempts = new Attempts(retry, signal)
    for (;;) {
      try {
        const got = await fetchToken(transport, { challenge, scopes, credential, plainHttp, signal })
        if (!('refused' in got)) return got
        const { status, headers } = got.refused
        const asked = retryAfterMs(headers['retry-after'], Date.now())
        const again = isTransientStatus(status) && (await attempts.next(asked))
        if (!again) throw await tokenRefusal(got.refused, registry, credential !== undefined)
        got.refused.discard()
      } catch (err) {
        if (!(await attempts.after(err))) throw err
      }
    }
  }
}

function isFresh(token: Token): boolean {
  return token.expiresMs - Date.now() > MARGIN_MS
}

function keyOf(scopes: readonly string[]): string {
  return [...scopes].sort().join(' ')
}
