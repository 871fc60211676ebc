import { TsboxError } from '../base/error.js'
import type { Authorizer } from './auth/authorizer.js'
import type { Endpoint } from './config/endpoints.js'
import { describeFault, faultOf } from './http/answer.js'
import { Attempts, isTransientStatus, type RetryPolicy, retryAfterMs } from './http/retry.js'
import { type HttpRequest, type HttpResponse, type Transport, TransportError } from './http/transport.js'

const MAX_REDIRECTS = 5
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** A request to a registry's API. */
export interface ApiRequest {
  method: string
  /** Below the registry, as `/v2/…`; or an address that the registry gave. */
  path: string | URL
  scopes: readonly string[]
  headers?: Readonly<Record<string, string>> | undefined
  body?: HttpRequest['body']
  signal?: AbortSignal | undefined
  idleMs?: number | undefined
  /** For errors: `pull image`. */
  action: string
  /** For errors: what it is about. */
  what: string
}

/** What a connection is made with. */
export interface ConnectionOptions {
  endpoint: Endpoint
  transport: Transport
  authorizer: Authorizer
  retry: RetryPolicy
}

/** One registry or mirror: speaks its scheme, says who asks, follows where it points to. */
export class Connection {
  readonly endpoint: Endpoint
  readonly retry: RetryPolicy
  readonly #options: ConnectionOptions
  #origin: Promise<string> | undefined

  constructor(options: ConnectionOptions) {
    this.endpoint = options.endpoint
    this.retry = options.retry
    this.#options = options
  }

  /**
   * Sends a request until it has an answer that trying again would not change. For requests that may be repeated only.
   *
   * @returns any status but 401 and those that stand for a passing trouble
   * @throws TsboxError E_REGISTRY_UNREACHABLE, E_REGISTRY_DENIED, E_REGISTRY_BUSY
   */
  async ask(request: ApiRequest): Promise<HttpResponse> {
    const attempts = new Attempts(this.retry, request.signal)
    for (;;) {
      try {
        const answer = await this.once(request)
        if (!isTransientStatus(answer.status)) return answer
        const asked = retryAfterMs(answer.headers['retry-after'], Date.now())
        const fault = await faultOf(answer)
        if (!(await attempts.next(asked))) throw this.failure(request, describeFault(fault), 'E_REGISTRY_BUSY')
      } catch (err) {
        if (!(err instanceof TransportError)) throw err
        if (!(await attempts.after(err))) throw this.unreachable(request, err)
      }
    }
  }

  /**
   * Sends a request once; where the registry wants to know who asks, once more.
   *
   * @returns any status but 401
   * @throws TsboxError E_REGISTRY_DENIED, TransportError
   */
  async once(request: ApiRequest): Promise<HttpResponse> {
    const { authorizer } = this.#options
    for (let tries = 0; ; tries++) {
      const authorization = await authorizer.header(request.scopes, request.signal)
      const answer = await this.#send(request, authorization)
      if (answer.status !== 401) return answer
      // Twice: the first may find out what is asked for, the second that a token has run out meanwhile.
      const again = tries < 2 && (await authorizer.refused(answer, authorization, request.scopes))
      answer.discard()
      if (!again) throw await authorizer.denied(request.action, request.what)
    }
  }

  /** The error for an answer that is no success. */
  async refusal(request: Pick<ApiRequest, 'action' | 'what'>, answer: HttpResponse): Promise<TsboxError> {
    const fault = await faultOf(answer)
    if (fault.status === 403 || fault.code === 'DENIED') {
      const denied = await this.#options.authorizer.denied(request.action, request.what)
      return new TsboxError(denied.code, `${denied.message} (${describeFault(fault)})`, { hint: denied.hint })
    }
    const code = fault.status === 404 ? 'E_REGISTRY_NOT_FOUND' : 'E_REGISTRY_ANSWER'
    return this.failure(request, describeFault(fault), code)
  }

  /** @param state what is wrong */
  failure({ action, what }: Pick<ApiRequest, 'action' | 'what'>, state: string, code: string): TsboxError {
    return new TsboxError(code, `${action}: ${this.endpoint.host} answered ${state}: "${what}"`)
  }

  unreachable({ action, what }: Pick<ApiRequest, 'action' | 'what'>, err: TransportError): TsboxError {
    const { host } = this.endpoint
    return new TsboxError('E_REGISTRY_UNREACHABLE', `${action}: ${host} can't be reached (${err.message}): "${what}"`, {
      cause: err,
      hint: this.#hintFor(err),
    })
  }

  #hintFor(err: TransportError): string | undefined {
    const { host } = this.endpoint
    if (/CERT|SELF_SIGNED|ISSUER|SIGNATURE/.test(err.code))
      return `put the certificate of its authority into ~/.config/containers/certs.d/${host}/ca.crt, or name it in NODE_EXTRA_CA_CERTS`
    if (err.isNoTls)
      return `it does not speak TLS: allow plain HTTP with "insecure: true" for ${host} in ~/.config/tsbox/registries.yaml`
    return undefined
  }

  async #send(request: ApiRequest, authorization: string | undefined): Promise<HttpResponse> {
    const home = await this.origin(request.signal)
    let url = new URL(request.path, home)
    for (let n = 0; ; n++) {
      // Who asks is told to the registry alone, wherever it points to.
      const own = url.origin === home && authorization !== undefined ? { authorization } : {}
      const headers = { ...request.headers, ...own }
      const { method, body, signal, idleMs } = request
      const answer = await this.#options.transport.send({ method, url, headers, body, signal, idleMs })
      const { location } = answer.headers
      if (!REDIRECTS.has(answer.status) || location === undefined || (method !== 'GET' && method !== 'HEAD'))
        return answer
      answer.discard()
      if (n === MAX_REDIRECTS)
        throw this.failure(request, `with more than ${MAX_REDIRECTS} redirects`, 'E_REGISTRY_ANSWER')
      url = this.next(location, url, request)
    }
  }

  /** An address that the registry gave. @throws TsboxError E_REGISTRY_ANSWER for one that leads away from HTTPS */
  next(location: string, from: URL, request: Pick<ApiRequest, 'action' | 'what'>): URL {
    const url = URL.canParse(location, from.href) ? new URL(location, from) : undefined
    if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && from.protocol === 'http:'))) return url
    throw this.failure(request, 'with an address that is no HTTPS one', 'E_REGISTRY_ANSWER')
  }

  /** `https://host`, or `http://host` where that is allowed and nothing else is spoken. */
  async origin(signal: AbortSignal | undefined): Promise<string> {
    const { host, scheme, plainHttp } = this.endpoint
    if (scheme !== undefined || !plainHttp) return new URL(`${scheme ?? 'https'}://${host}`).origin
    this.#origin ??= this.#spoken(host, signal)
    this.#origin.catch(() => {
      this.#origin = undefined
    })
    return this.#origin
  }

  async #spoken(host: string, signal: AbortSignal | undefined): Promise<string> {
    const url = new URL(`https://${host}/v2/`)
    try {
      const answer = await this.#options.transport.send({ method: 'GET', url, headers: {}, signal })
      answer.discard()
      return url.origin
    } catch (err) {
      if (err instanceof TransportError && err.isNoTls) return new URL(`http://${host}`).origin
      throw err
    }
  }
}
