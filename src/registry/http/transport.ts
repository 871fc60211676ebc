import { readFileSync } from 'node:fs'
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { type Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type ConnectionOptions, rootCertificates, connect as tlsConnect } from 'node:tls'
import { errnoCode, TsboxError } from '../../base/error.js'
import { proxyFor } from '../../util/proxy.js'
import type { HostCertificates } from '../config/certificates.js'
import { hostName } from '../config/network.js'

/** A connection on which nothing moves for so long is given up. */
const IDLE_MS = 60_000
/** A connection that is not made after so long never will be. */
const CONNECT_MS = 15_000
/** Connections that wait for the next request are kept so long: less than any server keeps them. */
const KEEP_MS = 4_000
const MAX_SOCKETS = 16

/** How one host is reached. */
export interface HostSecurity {
  certificates(): HostCertificates
  /** Accept certificates that nobody vouches for. */
  skipVerify: boolean
}

/** What a transport stands on. */
export interface TransportOptions {
  /** Proxies, and TSBOX_EXTRA_CA_CERTS (NODE_EXTRA_CA_CERTS as the launcher passes it on). */
  env: Readonly<Record<string, string | undefined>>
  /** @param host `host[:port]` */
  security(host: string): HostSecurity
}

/** One request. */
export interface HttpRequest {
  method: string
  url: URL
  headers: Readonly<Record<string, string>>
  /** Made when it is sent; its size is in the headers. */
  body?: (() => AsyncIterable<Uint8Array>) | Uint8Array | undefined
  signal?: AbortSignal | undefined
  /** Milliseconds without any byte after which it is given up. */
  idleMs?: number | undefined
}

/** An answer. Its body is read once, or dropped; else the connection stays taken. */
export interface HttpResponse {
  status: number
  headers: Readonly<Record<string, string | undefined>>
  url: URL
  body(): AsyncGenerator<Uint8Array>
  /** Drops the body. */
  discard(): void
}

/** Nothing came of a request: no connection, no answer, or an answer that broke off. */
export class TransportError extends Error {
  /** System's code, as ECONNRESET. */
  readonly code: string
  /** The connection had been used before and may just have been closed by the other side. */
  readonly stale: boolean

  constructor(message: string, code: string, stale: boolean, cause: unknown) {
    super(message, { cause })
    this.code = code
    this.stale = stale
  }

  /** Whether the other side speaks no TLS. */
  get isNoTls(): boolean {
    return this.code === 'EPROTO' && /wrong version number|packet length too long|http request/i.test(this.message)
  }

  /** Whether trying again may help. */
  get isTransient(): boolean {
    if (/CERT|SIGNATURE|ALTNAME|ISSUER|EPROTO|ERR_TLS|ERR_SSL/.test(this.code)) return false
    return !LASTING.includes(this.code)
  }
}

/** What another try a second later does not change. */
const LASTING = [
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNTIMEOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EACCES',
  'EPERM',
  'E_PROXY',
]

/**
 * Requests over HTTP and HTTPS on connections that are kept. No redirect is followed and no credential is added here.
 *
 * Node's own http and https: `fetch` of Node 20 takes neither proxies nor authorities nor client certificates without the
 * undici package, whose current version needs Node 22.
 */
export class Transport {
  readonly #options: TransportOptions
  readonly #agents = new Map<string, HttpAgent | HttpsAgent>()
  #authorities: string[] | undefined

  constructor(options: TransportOptions) {
    this.#options = options
  }

  /** @throws TransportError, TsboxError E_CA_CERTS, or the signal's reason */
  async send(request: HttpRequest): Promise<HttpResponse> {
    request.signal?.throwIfAborted()
    const { url, method } = request
    const secure = url.protocol === 'https:'
    const proxy = proxyFor(url, this.#options.env)
    const plainProxy = proxy && !secure ? proxy : undefined
    const target = plainProxy?.url ?? url
    const options: RequestOptions = {
      method,
      headers: {
        'user-agent': 'tsbox',
        'accept-encoding': 'identity',
        ...request.headers,
        ...this.#proxyHeaders(url, plainProxy),
      },
      agent: this.#agent(url),
      host: hostName(target.host),
      port: target.port || (target.protocol === 'https:' ? 443 : 80),
      path: plainProxy ? bare(url) : `${url.pathname}${url.search}`,
      ...(request.signal ? { signal: request.signal } : {}),
    }
    try {
      return readable(url, await exchange(secure ? httpsRequest(options) : httpRequest(options), request))
    } catch (err) {
      throw this.#failure(err, request)
    }
  }

  /** Ends connections that are kept. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy()
    this.#agents.clear()
  }

  #proxyHeaders(url: URL, proxy: ReturnType<typeof proxyFor>): Record<string, string> {
    if (!proxy) return {}
    return { host: url.host, ...(proxy.authorization ? { 'proxy-authorization': proxy.authorization } : {}) }
  }

  #agent(url: URL): HttpAgent | HttpsAgent {
    const known = this.#agents.get(url.origin)
    if (known) return known
    const agent = url.protocol === 'https:' ? this.#secureAgent(url) : new HttpAgent(KEPT)
    this.#agents.set(url.origin, agent)
    return agent
  }

  #secureAgent(url: URL): HttpsAgent {
    const { certificates, skipVerify } = this.#options.security(url.host)
    const { ca, cert, key } = certificates()
    const secure: ConnectionOptions = {
      ...this.#trusted(ca),
      ...(cert === undefined ? {} : { cert, key }),
      ...(skipVerify ? { rejectUnauthorized: false } : {}),
      ...(/^[\d.]+$|^\[/.test(url.hostname) ? {} : { servername: url.hostname }),
    }
    const proxy = proxyFor(url, this.#options.env)
    return proxy ? new TunnelAgent(url, proxy, secure) : new HttpsAgent({ ...KEPT, ...secure })
  }

  #trusted(ca: readonly string[]): { ca?: string[] } {
    this.#authorities ??= extraAuthorities(this.#options.env)
    const extra = [...this.#authorities, ...ca]
    return extra.length ? { ca: [...rootCertificates, ...extra] } : {}
  }

  #failure(err: unknown, { signal }: HttpRequest): unknown {
    if (signal?.aborted) return signal.reason
    if (err instanceof TsboxError || err instanceof TransportError) return err
    return transportError(err, (err as { stale?: boolean }).stale === true)
  }
}

const KEPT = { keepAlive: true, keepAliveMsecs: 1000, maxSockets: MAX_SOCKETS, timeout: KEEP_MS } as const

/** Connections through a proxy. @see RFC 9110, section 9.3.6 */
class TunnelAgent extends HttpsAgent {
  readonly #url: URL
  readonly #proxy: NonNullable<ReturnType<typeof proxyFor>>
  readonly #secure: ConnectionOptions

  constructor(url: URL, proxy: NonNullable<ReturnType<typeof proxyFor>>, secure: ConnectionOptions) {
    super({ ...KEPT, ...secure })
    this.#url = url
    this.#proxy = proxy
    this.#secure = secure
  }

  override createConnection(_: unknown, callback?: (err: Error | null, socket: Duplex) => void): undefined {
    const done = callback as (err: Error | null, socket?: Duplex) => void
    const { hostname, port } = this.#url
    const target = `${hostname}:${port || 443}`
    const authorization = this.#proxy.authorization
    const headers = { host: target, ...(authorization ? { 'proxy-authorization': authorization } : {}) }
    const req = httpRequest(this.#proxy.url, { method: 'CONNECT', path: target, headers, agent: false })
    req.on('error', done)
    req.setTimeout(IDLE_MS, () => req.destroy(timeout(IDLE_MS)))
    req.on('connect', (res, socket) => {
      if (res.statusCode === 200) return done(null, tlsConnect({ ...this.#secure, socket: socket as Socket }))
      socket.destroy()
      done(coded(`the proxy answered CONNECT with status ${res.statusCode}`, 'E_PROXY'))
    })
    req.end()
    return undefined
  }
}

/** Sends a body, if there is one, and waits for the answer, which may come before all of it is sent. */
function exchange(req: ClientRequest, { body, idleMs = IDLE_MS }: HttpRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let answered = false
    const fail = (err: unknown) => reject(Object.assign(err as object, { stale: req.reusedSocket }))
    req.on('error', fail)
    req.on('response', (answer) => {
      answered = true
      resolve(answer)
    })
    req.setTimeout(idleMs, () => req.destroy(timeout(idleMs)))
    limitConnecting(req)
    if (typeof body !== 'function') {
      req.end(body)
      return
    }
    // An answer that comes early ends the sending: what it says counts, not that the pipe broke.
    pipeline(Readable.from(body(), { objectMode: false }), req).catch((err) => {
      if (!answered) fail(err)
    })
  })
}

/** A host that is not there, or a network that swallows what is sent, must not be waited for as a slow answer is. */
function limitConnecting(req: ClientRequest): void {
  req.on('socket', (socket) => {
    if (!socket.connecting) return
    const timer = setTimeout(() => req.destroy(coded('no connection was made', 'ECONNTIMEOUT')), CONNECT_MS)
    const stop = () => clearTimeout(timer)
    socket.once('connect', stop)
    socket.once('close', stop)
  })
}

function readable(url: URL, answer: IncomingMessage): HttpResponse {
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers as Record<string, string | undefined>,
    url,
    async *body() {
      try {
        for await (const chunk of answer) yield chunk as Buffer
      } catch (err) {
        throw transportError(err, false)
      }
      // Node ends the stream in peace where the length was not met and the connection was closed in order.
      if (!answer.complete) throw new TransportError('the answer broke off', 'ECONNRESET', false, undefined)
    },
    discard() {
      const length = Number(answer.headers['content-length'] ?? Number.NaN)
      // A short rest is read, so that the connection can be used again.
      if (length <= 1 << 16) answer.resume()
      else answer.destroy()
    },
  }
}

function transportError(err: unknown, stale: boolean): unknown {
  if (err instanceof TsboxError || err instanceof TransportError) return err
  // A name with several addresses fails with one error for each.
  const first = err instanceof AggregateError ? err.errors[0] : err
  const code = errnoCode(first)
  if (!(first instanceof Error) || code === undefined) return err
  return new TransportError(first.message.split('\n')[0]!.trim(), code, stale, err)
}

function timeout(ms: number): Error {
  return coded(`nothing came for ${ms / 1000} s`, 'ETIMEDOUT')
}

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code })
}

function bare(url: URL): string {
  const out = new URL(url)
  out.username = ''
  out.password = ''
  out.hash = ''
  return out.href
}

/** @throws TsboxError E_CA_CERTS */
function extraAuthorities(env: TransportOptions['env']): string[] {
  const file = env.TSBOX_EXTRA_CA_CERTS || env.NODE_EXTRA_CA_CERTS
  if (!file) return []
  try {
    return [readFileSync(file, 'utf8')]
  } catch (cause) {
    throw new TsboxError('E_CA_CERTS', `read certificates: ${errnoCode(cause) ?? 'failed'}: "${file}"`, {
      cause,
      hint: 'TSBOX_EXTRA_CA_CERTS and NODE_EXTRA_CA_CERTS name a PEM file',
    })
  }
}
