import { TsboxError } from '../base/error.js'
import { isDigest } from '../oci/digest.js'
import type { Descriptor } from '../oci/manifest.js'
import type { Endpoint } from './config/endpoints.js'
import type { ApiRequest, Connection } from './connection.js'
import { readBody } from './http/answer.js'
import type { HttpResponse } from './http/transport.js'
import { type FetchedManifest, MANIFEST_TYPES, readManifest } from './manifest.js'

/** Pages of lists are short; one that is longer than this is no list of names. */
const MAX_LIST_BYTES = 16 << 20
const MAX_PAGES = 10_000
/** A registry that moves a large blob into place says nothing meanwhile. */
const COMMIT_IDLE_MS = 300_000

/** One repository of one registry: the requests of the distribution specification. @see OCI distribution-spec 1.1 */
export class Repository {
  readonly connection: Connection
  /** `library/debian` */
  readonly path: string

  constructor(connection: Connection, path: string) {
    this.connection = connection
    this.path = path
  }

  get endpoint(): Endpoint {
    return this.connection.endpoint
  }

  /** For messages. */
  get name(): string {
    return `${this.endpoint.registry}/${this.path}`
  }

  /**
   * A manifest by tag or digest, verified.
   *
   * @throws TsboxError E_REGISTRY_NOT_FOUND, and those of {@link readManifest}
   */
  async manifest(reference: string, signal?: AbortSignal): Promise<FetchedManifest> {
    const what = this.#named(reference)
    const request = this.#pulls(
      'GET',
      `manifests/${reference}`,
      { accept: MANIFEST_TYPES },
      'read manifest',
      what,
      signal,
    )
    const answer = await this.connection.ask(request)
    if (answer.status !== 200) throw await this.connection.refusal(request, answer)
    return readManifest(answer, isDigest(reference) ? reference : undefined, what)
  }

  /** What a tag names now; undefined where there is none. Only digest, size and media type are asked for. */
  async head(reference: string, signal?: AbortSignal): Promise<Descriptor | undefined> {
    const what = this.#named(reference)
    const request = this.#pulls(
      'HEAD',
      `manifests/${reference}`,
      { accept: MANIFEST_TYPES },
      'read manifest',
      what,
      signal,
    )
    const answer = await this.connection.ask(request)
    answer.discard()
    const digest = answer.headers['docker-content-digest']
    if (answer.status !== 200 || digest === undefined || !isDigest(digest)) return undefined
    return { mediaType: answer.headers['content-type'] ?? '', digest, size: Number(answer.headers['content-length']) }
  }

  /**
   * Begins to read a blob; tried once.
   *
   * @param offset where to begin; the answer may begin at 0 all the same (status 200)
   * @throws TsboxError, TransportError
   */
  async blob(digest: string, offset: number, signal?: AbortSignal): Promise<HttpResponse> {
    const range: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {}
    return this.connection.once(this.#pulls('GET', `blobs/${digest}`, range, 'pull blob', digest, signal))
  }

  /** As {@link blob}, tried until there is an answer that stands. */
  async askBlob(digest: string, offset: number, signal?: AbortSignal): Promise<HttpResponse> {
    const range: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {}
    return this.connection.ask(this.#pulls('GET', `blobs/${digest}`, range, 'pull blob', digest, signal))
  }

  /** Size of a blob in bytes; undefined where the registry has it not. */
  async blobSize(digest: string, signal?: AbortSignal): Promise<number | undefined> {
    const request = this.#pushes('HEAD', `blobs/${digest}`, 'push blob', digest, signal)
    const answer = await this.connection.ask(request)
    if (answer.status !== 200 && answer.status !== 404) throw await this.connection.refusal(request, answer)
    answer.discard()
    return answer.status === 200 ? Number(answer.headers['content-length'] ?? Number.NaN) : undefined
  }

  /**
   * Begins an upload, or takes a blob over from another repository of the registry where that works.
   *
   * @returns where the upload goes on; undefined where the blob is there now
   */
  async beginUpload(digest: string, from: string | undefined, signal?: AbortSignal): Promise<URL | undefined> {
    const query = from === undefined ? '' : `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`
    const request = {
      ...this.#pushes('POST', `blobs/uploads/${query}`, 'push blob', digest, signal),
      headers: { 'content-length': '0' },
    }
    if (from !== undefined) request.scopes = [...request.scopes, `repository:${from}:pull`]
    const answer = await this.connection.ask(request)
    if (answer.status === 201 && from !== undefined) {
      answer.discard()
      return undefined
    }
    if (answer.status !== 202) throw await this.connection.refusal(request, answer)
    answer.discard()
    return this.locationOf(answer, request)
  }

  /** Sends a part of an upload, or with `?digest=` all of it; tried once. @throws TsboxError, TransportError */
  async sendUpload(
    method: 'PATCH' | 'PUT',
    url: URL,
    body: { open: () => AsyncIterable<Uint8Array>; size: number; range?: string | undefined } | undefined,
    digest: string,
    signal?: AbortSignal,
  ): Promise<HttpResponse> {
    const headers: Record<string, string> = { 'content-length': String(body?.size ?? 0) }
    if (body) headers['content-type'] = 'application/octet-stream'
    if (body?.range !== undefined) headers['content-range'] = body.range
    return this.connection.once({
      ...this.#pushes(method, url, 'push blob', digest, signal),
      headers,
      body: body?.open,
      idleMs: COMMIT_IDLE_MS,
    })
  }

  /** How much of an upload has arrived. */
  async uploadState(url: URL, digest: string, signal?: AbortSignal): Promise<HttpResponse> {
    return this.connection.ask(this.#pushes('GET', url, 'push blob', digest, signal))
  }

  /** Ends an upload that is not wanted any more; a registry that does not answer forgets it by itself. */
  async cancelUpload(url: URL, digest: string): Promise<void> {
    try {
      const answer = await this.connection.once(
        this.#pushes('DELETE', url, 'push blob', digest, AbortSignal.timeout(2000)),
      )
      answer.discard()
    } catch {
      // Nothing was to be gained but its disk space.
    }
  }

  /** Where an answer says that things go on. @throws TsboxError E_REGISTRY_ANSWER */
  locationOf(answer: HttpResponse, request: Pick<ApiRequest, 'action' | 'what'>): URL {
    const { location } = answer.headers
    if (location === undefined) throw this.connection.failure(request, 'without a location', 'E_REGISTRY_ANSWER')
    return this.connection.next(location, answer.url, request)
  }

  /** Stores a manifest under a tag or its digest. @throws TsboxError */
  async putManifest(
    reference: string,
    manifest: { bytes: Uint8Array; digest: string; mediaType: string },
    signal?: AbortSignal,
  ): Promise<void> {
    const { bytes, digest, mediaType } = manifest
    const request = {
      ...this.#pushes('PUT', `manifests/${reference}`, 'push manifest', this.#named(reference), signal),
      headers: { 'content-type': mediaType, 'content-length': String(bytes.length) },
      body: bytes,
    }
    const answer = await this.connection.ask(request)
    if (answer.status !== 201) throw await this.connection.refusal(request, answer)
    answer.discard()
    const told = answer.headers['docker-content-digest']
    if (told !== undefined && told !== digest)
      throw new TsboxError(
        'E_DIGEST_MISMATCH',
        `push manifest: the registry made ${told} of ${digest}: "${request.what}"`,
      )
  }

  /** All tags, in the registry's order. @throws TsboxError E_REGISTRY_NOT_FOUND */
  async tags(signal?: AbortSignal): Promise<string[]> {
    const request = this.#pulls('GET', 'tags/list', {}, 'list tags', this.name, signal)
    const out: string[] = []
    for await (const page of pages(this.connection, request)) out.push(...namesIn(page, 'tags'))
    return out
  }

  #pulls(
    method: string,
    path: string,
    headers: Record<string, string>,
    action: string,
    what: string,
    signal: AbortSignal | undefined,
  ): ApiRequest {
    const scopes = [`repository:${this.path}:pull`]
    return { method, path: `/v2/${this.path}/${path}`, scopes, headers, action, what, signal }
  }

  #pushes(
    method: string,
    path: string | URL,
    action: string,
    what: string,
    signal: AbortSignal | undefined,
  ): ApiRequest {
    const scopes = [`repository:${this.path}:pull,push`]
    const full = typeof path === 'string' ? `/v2/${this.path}/${path}` : path
    return { method, path: full, scopes, action, what, signal }
  }

  #named(reference: string): string {
    return `${this.name}${isDigest(reference) ? '@' : ':'}${reference}`
  }
}

/** Pages of a list, by the Link header of each. @see OCI distribution-spec 1.1, "Content Discovery" */
export async function* pages(connection: Connection, first: ApiRequest): AsyncGenerator<Record<string, unknown>> {
  let request: ApiRequest = first
  for (let n = 0; n < MAX_PAGES; n++) {
    const answer = await connection.ask(request)
    if (answer.status !== 200) throw await connection.refusal(request, answer)
    const body = Buffer.from(await readBody(answer, MAX_LIST_BYTES, 'list')).toString()
    yield parsed(body, connection, request)
    const link = /<([^>]+)>\s*;[^,]*\brel="?next"?/.exec(answer.headers.link ?? '')?.[1]
    if (link === undefined) return
    const next = connection.next(link, answer.url, request)
    // The list goes on where it began: no other host gets to say what is in it.
    if (next.origin !== answer.url.origin)
      throw connection.failure(request, 'with a list that goes on elsewhere', 'E_REGISTRY_ANSWER')
    request = { ...request, path: next }
  }
}

/** Names in a list of a page; what is no text is left out. */
export function namesIn(page: Record<string, unknown>, key: string): string[] {
  const all = page[key]
  return Array.isArray(all) ? all.filter((n): n is string => typeof n === 'string') : []
}

function parsed(body: string, connection: Connection, request: ApiRequest): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body)
    if (value !== null && typeof value === 'object') return value as Record<string, unknown>
  } catch {
    // Told below.
  }
  throw connection.failure(request, 'something that is no JSON object', 'E_REGISTRY_ANSWER')
}
