import { TsboxError } from '../../base/error.js'
import { canonicalJson } from '../../base/hash.js'
import { dispositionFileName, redactUrl, urlFileName } from '../../base/url.js'
import type { StartTransfer } from '../../build/progress/transfer.js'
import type { FetchedFile } from '../../build/seams.js'
import type { CacheValidators, StoredCacheRecord } from '../../store/cache.js'
import { contentHash, nodeSha256 } from '../../util/hash.js'
import { type HttpAnswer, httpGet } from '../../util/http.js'
import { readChunks } from '../../util/read-chunks.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'

/** Path of the file in the layer that holds it. */
const PATH = 'file'
/** BuildKit's name for a file whose URL has none. */
const UNNAMED = '__unnamed__'

export interface FetchDeps {
  shop: Workshop
  layers: NodeLayers
  env: Readonly<Record<string, string | undefined>>
  signal: AbortSignal
  transfer?: StartTransfer | undefined
}

/**
 * A file behind HTTP(S) as a layer that holds it, mode 0600, with the time of Last-Modified (else 1970). One that was
 * fetched before is asked for with its ETag and Last-Modified; with a checksum that is known nothing is asked.
 *
 * @param checksum `sha256:…`, `sha384:…` or `sha512:…`
 * @throws TsboxError E_HTTP, E_CHECKSUM, E_DISK_FULL
 */
export async function fetchFile(deps: FetchDeps, url: string, checksum?: string): Promise<FetchedFile> {
  const { store, lease } = deps.shop
  const bySum = checksum === undefined ? undefined : recordKey({ fetchedSum: checksum, url })
  const sure = bySum === undefined ? undefined : usable(deps, bySum)
  if (sure) return fetched(sure, url)
  const key = recordKey({ fetched: url })
  // What is there has another checksum, or none that was ever compared: it is fetched anew.
  const known = checksum === undefined ? usable(deps, key) : undefined
  const answer = await httpGet(url, { env: deps.env, signal: deps.signal, headers: conditions(known) })
  if (known && answer.status === 304) {
    answer.discard()
    return fetched(known, url)
  }
  if (answer.status !== 200) {
    answer.discard()
    throw new TsboxError('E_HTTP', `fetch: invalid response status ${answer.status}: "${redactUrl(url)}"`)
  }
  const record = await download(deps, answer, url, checksum)
  for (const k of [key, bySum]) if (k !== undefined) store.cache.put(k, { ...record, key: k }, lease)
  return fetched(record, url)
}

function recordKey(parts: object): string {
  return nodeSha256().update(canonicalJson(parts)).hex()
}

function usable({ shop }: FetchDeps, key: string): StoredCacheRecord | undefined {
  const record = shop.store.cache.get(key, Date.now())
  return record?.layer && shop.store.keepLayer(record.layer, shop.lease) ? record : undefined
}

function conditions(known: StoredCacheRecord | undefined): Record<string, string> {
  const { etag, lastModified } = known?.validators ?? {}
  if (etag !== undefined) return { 'if-none-match': etag }
  return lastModified === undefined ? {} : { 'if-modified-since': lastModified }
}

function fetched(record: StoredCacheRecord, url: string): FetchedFile {
  return { layer: record.layer!, path: PATH, name: urlFileName(url) ?? record.validators?.name ?? UNNAMED }
}

/** Spooled first, as the layer's tar needs the size before the content, and servers need not tell it. */
async function download(
  { shop, layers, transfer }: FetchDeps,
  answer: HttpAnswer,
  url: string,
  checksum: string | undefined,
): Promise<StoredCacheRecord> {
  const writer = shop.store.blobs.writer(shop.lease)
  const sum = checksum === undefined ? undefined : contentHash(checksum.split(':')[0]!)
  const moved = transfer?.('downloading', Number(answer.headers['content-length'] ?? 0))
  try {
    for await (const chunk of answer.body()) {
      writer.write(chunk)
      sum?.update(chunk)
      moved?.add(chunk.length)
    }
    moved?.end()
    const { sizeBytes } = writer.end()
    const actual = sum && `${checksum!.split(':')[0]}:${sum.digest('hex')}`
    if (actual !== checksum)
      throw new TsboxError('E_CHECKSUM', `fetch: digest mismatch ${actual}: ${checksum}: "${redactUrl(url)}"`, {
        hint: 'look at what the URL gives now before you change the checksum',
      })
    const lastModified = answer.headers['last-modified']
    const entry = { path: PATH, type: 'file' as const, mode: 0o600, uid: 0, gid: 0, mtime: seconds(lastModified) }
    const layer = await layers.importFile({ ...entry, size: sizeBytes }, readChunks(writer.tempPath))
    return { key: '', layer, created: shop.now(), validators: validators(answer) }
  } finally {
    answer.discard()
    writer.abort()
  }
}

function validators({ headers }: HttpAnswer): CacheValidators {
  return {
    etag: headers.etag,
    lastModified: headers['last-modified'],
    name: dispositionFileName(headers['content-disposition']),
  }
}

function seconds(date: string | undefined): number {
  const ms = date === undefined ? Number.NaN : Date.parse(date)
  return Number.isNaN(ms) ? 0 : Math.floor(ms / 1000)
}
