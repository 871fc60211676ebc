import { readFileSync } from 'node:fs'
import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { type ConnectionOptions, rootCertificates, connect as tlsConnect } from 'node:tls'
import { errnoCode, TsboxError } from '../base/error.js'
import { redactUrl } from '../base/url.js'
import { proxyFor } from './proxy.js'

const MAX_REDIRECTS = 10
/** A connection on which nothing comes for so long is given up. */
const IDLE_MS = 60_000

export interface HttpOptions {
  /** Proxies (`http_proxy`, `https_proxy`, `no_proxy`) and TSBOX_EXTRA_CA_CERTS, a PEM file beside Node's own roots. */
  env: Readonly<Record<string, string | undefined>>
  headers?: Readonly<Record<string, string>> | undefined
  signal?: AbortSignal | undefined
}

/** An answer whose body is read once, or dropped with `discard`. */
export interface HttpAnswer {
  status: number
  headers: Readonly<Record<string, string | undefined>>
  /** Bytes as they come; throws TsboxError E_HTTP where the connection breaks. */
  body(): AsyncGenerator<Uint8Array>
  discard(): void
}

/**
 * GET over HTTP or HTTPS, redirects followed. Credentials in the URL become basic authentication and go to its own
 * host only.
 *
 * @throws TsboxError E_HTTP where there is no answer; any status is an answer
 */
export async function httpGet(url: string, options: HttpOptions): Promise<HttpAnswer> {
  let at = parseUrl(url)
  let credentials = credentialsOf(at)
  for (let n = 0; ; n++) {
    const answer = await send(at, credentials, options)
    const { location } = answer.headers
    if (![301, 302, 303, 307, 308].includes(answer.statusCode ?? 0) || location === undefined)
      return readable(at, answer)
    answer.destroy()
    if (n === MAX_REDIRECTS) throw failure(url, `stopped after ${MAX_REDIRECTS} redirects`)
    const next = parseUrl(location, at)
    credentials = credentialsOf(next) ?? (next.origin === at.origin ? credentials : undefined)
    at = next
  }
}

function parseUrl(text: string, base?: URL): URL {
  let url: URL
  try {
    url = new URL(text, base)
  } catch {
    throw failure(text, 'malformed URL')
  }
  if (url.protocol === 'http:' || url.protocol === 'https:') return url
  throw failure(text, `unsupported protocol scheme ${url.protocol.slice(0, -1)}`)
}

function credentialsOf(url: URL): string | undefined {
  if (url.username === '' && url.password === '') return undefined
  const text = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  return `Basic ${Buffer.from(text).toString('base64')}`
}

async function send(url: URL, credentials: string | undefined, options: HttpOptions): Promise<IncomingMessage> {
  const headers: Record<string, string> = {
    accept: '*/*',
    'user-agent': 'tsbox',
    ...options.headers,
    ...(credentials === undefined ? {} : { authorization: credentials }),
  }
  const plain: RequestOptions = { method: 'GET', headers, agent: false, ...signalOf(options) }
  try {
    const proxy = proxyFor(url, options.env)
    if (url.protocol === 'http:') {
      if (!proxy) return await answerOf(httpRequest(bare(url), plain))
      return await answerOf(httpRequest(proxy.url, throughProxy(url, plain, proxy.authorization)))
    }
    const secure: ConnectionOptions = { ca: authorities(options.env), ...serverName(url) }
    if (!proxy) return await answerOf(httpsRequest(bare(url), { ...plain, ...secure }))
    const socket = await openTunnel(url, proxy, options)
    const createConnection = () => tlsConnect({ ...secure, socket })
    // Any agent would make its own connection, also one that is false.
    const { agent: _, ...unpooled } = plain
    return await answerOf(httpsRequest(bare(url), { ...unpooled, createConnection }))
  } catch (err) {
    if (options.signal?.aborted) throw options.signal.reason
    throw err instanceof TsboxError ? err : failure(url.href, reasonOf(err), err)
  }
}

/** Node makes an Authorization header of its own from a URL that has credentials. */
function bare(url: URL): URL {
  const out = new URL(url)
  out.username = ''
  out.password = ''
  out.hash = ''
  return out
}

function signalOf({ signal }: HttpOptions): { signal?: AbortSignal } {
  return signal ? { signal } : {}
}

/** An address has no name to ask for. @see RFC 6066, section 3 */
function serverName({ hostname }: URL): ConnectionOptions {
  return /^[\d.]+$|^\[/.test(hostname) ? {} : { servername: hostname }
}

function authorities(env: HttpOptions['env']): string[] | undefined {
  const file = env.TSBOX_EXTRA_CA_CERTS
  if (file === undefined || file === '') return undefined
  try {
    return [...rootCertificates, readFileSync(file, 'utf8')]
  } catch (cause) {
    throw new TsboxError('E_CA_CERTS', `read certificates: ${errnoCode(cause) ?? 'failed'}: "${file}"`, {
      cause,
      hint: 'TSBOX_EXTRA_CA_CERTS and NODE_EXTRA_CA_CERTS name a PEM file',
    })
  }
}

function throughProxy(url: URL, plain: RequestOptions, authorization: string | undefined): RequestOptions {
  const headers = { ...plain.headers, host: url.host, ...proxyHeader(authorization) }
  return { ...plain, headers, path: bare(url).href }
}

function proxyHeader(authorization: string | undefined): Record<string, string> {
  return authorization === undefined ? {} : { 'proxy-authorization': authorization }
}

/** A connection through a proxy to the host of `url`. @see RFC 9110, section 9.3.6 */
function openTunnel(url: URL, proxy: { url: URL; authorization?: string | undefined }, options: HttpOptions) {
  const target = `${url.hostname}:${url.port || 443}`
  const headers = { host: target, ...proxyHeader(proxy.authorization) }
  const req = httpRequest(proxy.url, { method: 'CONNECT', path: target, headers, agent: false, ...signalOf(options) })
  return new Promise<Socket>((resolve, reject) => {
    req.on('error', reject)
    req.setTimeout(IDLE_MS, () => req.destroy(new Error(`no answer for ${IDLE_MS / 1000} s`)))
    req.on('connect', (res, socket) => {
      if (res.statusCode === 200) return resolve(socket as Socket)
      socket.destroy()
      reject(new Error(`the proxy answered CONNECT with status ${res.statusCode}`))
    })
    req.end()
  })
}

function answerOf(req: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    req.on('error', reject)
    req.on('response', resolve)
    req.setTimeout(IDLE_MS, () => req.destroy(new Error(`nothing came for ${IDLE_MS / 1000} s`)))
    req.end()
  })
}

function readable(url: URL, answer: IncomingMessage): HttpAnswer {
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers as Record<string, string | undefined>,
    async *body() {
      try {
        for await (const chunk of answer) yield chunk as Buffer
      } catch (err) {
        throw failure(url.href, reasonOf(err), err)
      }
    },
    discard: () => void answer.destroy(),
  }
}

function reasonOf(err: unknown): string {
  // A name with several addresses fails with one error for each.
  const first = err instanceof AggregateError ? err.errors[0] : err
  return first instanceof Error ? first.message : String(first)
}

function failure(url: string, reason: string, cause?: unknown): TsboxError {
  const certificate = /CERT|SELF_SIGNED|ISSUER/.test(errnoCode(cause) ?? '')
  return new TsboxError('E_HTTP', `fetch: ${reason}: "${redactUrl(url)}"`, {
    cause,
    hint: certificate ? 'name the PEM file of its authority in NODE_EXTRA_CA_CERTS' : undefined,
  })
}
