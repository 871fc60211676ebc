import { limiter } from '../../base/limit.js'
import type { Descriptor } from '../../oci/manifest.js'
import type { Reference } from '../../oci/reference.js'
import { pushBlob } from '../../registry/push-blob.js'
import type { Repository } from '../../registry/repository.js'
import { readChunks } from '../../util/read-chunks.js'
import type { RegistryDeps } from './deps.js'
import type { PushedForm } from './push-form.js'
import type { TransferLine, Transfers } from './transfers.js'

/** As many as docker. */
const UPLOADS = 5

/** What a push takes bytes from. */
export interface PushDeps extends Pick<RegistryDeps, 'store' | 'lease'> {
  /** The plain tar of a layer of which there is no blob. */
  openTar(diffID: string): AsyncIterable<Uint8Array>
}

/**
 * Makes a repository have an image: its blobs, then its manifest, under each of the tags (or its digest, with none).
 *
 * @throws TsboxError; nothing that has a name there refers to what is missing
 */
export async function pushImage(
  deps: PushDeps,
  repository: Repository,
  form: PushedForm,
  tags: readonly string[],
  transfers: Transfers,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const limit = limiter(UPLOADS)
  const push = (blob: Descriptor, diffID: string | undefined) =>
    limit(async () => {
      both.throwIfAborted()
      await pushOne(deps, repository, blob, diffID, transfers, both)
    }).catch((err: unknown) => {
      if (!stop.signal.aborted) stop.abort(err)
      throw err
    })
  const unique = new Map(form.layers.map((l) => [l.descriptor.digest, l]))
  const pushing = [...unique.values()].map((l) => push(l.descriptor, l.diffID))
  const settled = await Promise.allSettled([...pushing, push(form.config, undefined)])
  signal.throwIfAborted()
  if (settled.some((s) => s.status === 'rejected')) throw stop.signal.reason
  for (const reference of tags.length ? tags : [form.digest]) {
    await repository.putManifest(reference, form, signal)
    transfers.status(`pushing manifest for ${repository.name}${tags.length ? `:${reference}` : ''}@${form.digest}`)
  }
}

async function pushOne(
  { store, lease, openTar }: PushDeps,
  repository: Repository,
  blob: Descriptor,
  diffID: string | undefined,
  transfers: Transfers,
  signal: AbortSignal,
): Promise<void> {
  lease.hold('blob', blob.digest)
  let line: TransferLine | undefined
  const host = `${repository.endpoint.registry}/`
  const known = store.origins.of(blob.digest)
  const mountFrom = known.filter((r) => r.startsWith(host) && r !== repository.name).map((r) => r.slice(host.length))
  const open = (offset: number) =>
    store.blobs.has(blob.digest, blob.size)
      ? readChunks(store.blobs.path(blob.digest), offset)
      : from(openTar(diffID ?? blob.digest), offset)
  const moved = (bytes: number) => {
    line ??= transfers.begin(blob.digest, blob.size)
    line.at(bytes)
  }
  const result = await pushBlob(repository, { blob, open, mountFrom }, moved, signal)
  line?.end()
  if (result.how === 'there') transfers.status(`${blob.digest} already exists`)
  if (result.how === 'mounted') transfers.status(`${blob.digest} mounted from ${result.from}`)
  store.origins.add(blob.digest, repository.name, lease)
}

/** A stream without its beginning. */
async function* from(chunks: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let skip = offset
  for await (const chunk of chunks) {
    if (skip >= chunk.length) skip -= chunk.length
    else {
      yield chunk.subarray(skip)
      skip = 0
    }
  }
}

/** The one place to push a reference to. @throws TsboxError E_REGISTRY_BLOCKED */
export async function pushTarget(
  deps: Pick<RegistryDeps, 'registry'>,
  reference: Reference,
  insecure?: boolean,
): Promise<Repository> {
  const registry = await deps.registry()
  return registry.repositories(reference, 'push', { insecure })[0]!
}
