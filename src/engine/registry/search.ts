import { TsboxError } from '../../base/error.js'
import { Reference } from '../../oci/reference.js'
import type { Endpoint } from '../../registry/config/endpoints.js'
import { readBody } from '../../registry/http/answer.js'
import type { Registry } from '../../registry/registry.js'
import { namesIn, pages } from '../../registry/repository.js'
import type { FoundImage } from '../api/registry.js'

const MAX_BYTES = 4 << 20

/**
 * Looks for images: by the registry's own search where it has one (`/v1/search`), else among the names in its catalogue.
 *
 * @param term `[host[:port]/]words`; without a host Docker Hub is asked
 * @throws TsboxError E_REGISTRY_SEARCH where the registry has neither
 */
export async function searchImages(
  registry: Registry,
  term: string,
  limit: number,
  signal: AbortSignal,
): Promise<FoundImage[]> {
  const { host, words } = splitTerm(term)
  const reference = new Reference({ domain: host, path: 'search' })
  const endpoint = { ...registry.endpoints.of(reference, 'push')[0]!, path: '' }
  const found = await bySearch(registry, endpoint, words, limit, signal)
  return (found ?? (await byCatalogue(registry, endpoint, words, limit, signal))).slice(0, limit)
}

function splitTerm(term: string): { host: string; words: string } {
  const [, host, words] = /^(?:([^/\s]*[.:][^/\s]*|localhost)\/)?(.*)$/s.exec(term)!
  return { host: host ?? 'docker.io', words: words! }
}

async function bySearch(
  registry: Registry,
  endpoint: Endpoint,
  words: string,
  limit: number,
  signal: AbortSignal,
): Promise<FoundImage[] | undefined> {
  // Docker Hub searches under its old name.
  const hub = endpoint.registry === 'docker.io'
  const connection = registry.connection(hub ? { ...endpoint, host: 'index.docker.io', path: '' } : endpoint)
  const path = `/v1/search?q=${encodeURIComponent(words)}&n=${limit}`
  const about = { action: 'search images', what: words }
  const answer = await connection.ask({ method: 'GET', path, scopes: [], signal, ...about })
  if (answer.status !== 200 || !/json/.test(answer.headers['content-type'] ?? '')) {
    answer.discard()
    return undefined
  }
  const body = Buffer.from(await readBody(answer, MAX_BYTES, 'search')).toString()
  const results = resultsIn(body)
  if (!results) throw connection.failure(about, 'something that is no list of images', 'E_REGISTRY_ANSWER')
  const prefix = hub ? '' : `${endpoint.registry}/`
  return results.map((r) => ({
    name: prefix + textOf(r.name),
    description: textOf(r.description),
    stars: Number(r.star_count) || 0,
    official: r.is_official === true,
  }))
}

function resultsIn(body: string): Record<string, unknown>[] | undefined {
  try {
    const { results } = JSON.parse(body) as { results?: unknown }
    return Array.isArray(results) ? results.filter((r) => r !== null && typeof r === 'object') : undefined
  } catch {
    return undefined
  }
}

async function byCatalogue(
  registry: Registry,
  endpoint: Endpoint,
  words: string,
  limit: number,
  signal: AbortSignal,
): Promise<FoundImage[]> {
  const connection = registry.connection(endpoint)
  const out: FoundImage[] = []
  const request = {
    method: 'GET',
    path: '/v2/_catalog',
    scopes: ['registry:catalog:*'],
    signal,
    action: 'search images',
    what: `${endpoint.registry}/${words}`,
  }
  try {
    for await (const page of pages(connection, request)) {
      for (const name of namesIn(page, 'repositories'))
        if (name.includes(words))
          out.push({ name: `${endpoint.registry}/${name}`, description: '', stars: 0, official: false })
      if (out.length >= limit) break
    }
  } catch (err) {
    if (!(err instanceof TsboxError) || !['E_REGISTRY_NOT_FOUND', 'E_REGISTRY_DENIED'].includes(err.code)) throw err
    throw new TsboxError(
      'E_REGISTRY_SEARCH',
      `search images: the registry has no search and shows no catalogue: "${endpoint.registry}"`,
      {
        cause: err,
      },
    )
  }
  return out
}

/** One line that a terminal can show. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim() : ''
}
