import type { Toc } from '../../layer/toc.js'
import type { Descriptor } from '../../oci/manifest.js'
import { fetchBlob } from '../../registry/fetch-blob.js'
import { pause } from '../../registry/http/retry.js'
import type { Repository } from '../../registry/repository.js'
import type { Download } from '../../store/downloads.js'
import { readChunks } from '../../util/read-chunks.js'
import type { RegistryDeps } from './deps.js'
import type { Transfers } from './transfers.js'
import { verifyArriving, verifyLayer } from './verify-layer.js'

/** How often it is looked whether another process has ended its download. */
const POLL_MS = 50

/** A layer of an image: its blob, and what its tar must be. */
export interface WantedLayer {
  blob: Descriptor
  diffID: string
}

/**
 * Brings a layer into the store, blob and tar verified, and remembers which blob it is. One that is there costs nothing;
 * one that another process is downloading is waited for.
 *
 * @throws TsboxError E_DIGEST_MISMATCH, E_UNPACK, E_DISK_FULL, those of tars and of registries
 */
export async function fetchLayer(
  deps: Pick<RegistryDeps, 'store' | 'lease'>,
  sources: readonly Repository[],
  { blob, diffID }: WantedLayer,
  transfers: Transfers,
  signal: AbortSignal,
): Promise<void> {
  const { store, lease } = deps
  if (isKnown(deps, blob, diffID)) {
    transfers.status(`${blob.digest} already exists`)
    return
  }
  const line = transfers.begin(blob.digest, blob.size)
  const toc =
    (await downloaded(deps, sources, blob, line, signal, (download) => verifyArriving(download, blob, diffID))) ??
    (await verifyLayer(readChunks(store.blobs.path(blob.digest)), blob, diffID))
  line.end()
  store.layers.putToc(diffID, toc, lease)
  const { digest, size: sizeBytes, mediaType } = blob
  store.layers.setBlob(diffID, { digest, sizeBytes, mediaType }, lease)
}

/** Whether the store has that very blob, and has seen once that it is that layer. */
function isKnown({ store, lease }: Pick<RegistryDeps, 'store' | 'lease'>, blob: Descriptor, diffID: string): boolean {
  lease.hold('layer', diffID)
  lease.hold('blob', blob.digest)
  if (!store.blobs.has(blob.digest, blob.size) || store.layers.tarSize(diffID) === undefined) return false
  const forms = [store.layers.blob(diffID), ...Object.values(store.layers.allPacked(diffID))]
  return blob.digest === diffID || forms.some((f) => f?.digest === blob.digest)
}

/**
 * Downloads a blob, or waits for who does.
 *
 * @param follow reads what arrives
 * @returns what `follow` made of it; undefined where the blob was there or came by another process
 */
async function downloaded(
  { store, lease }: Pick<RegistryDeps, 'store' | 'lease'>,
  sources: readonly Repository[],
  blob: Descriptor,
  line: { at(current: number): void },
  signal: AbortSignal,
  follow: (download: Download) => Promise<Toc>,
): Promise<Toc | undefined> {
  for (;;) {
    if (store.blobs.has(blob.digest, blob.size)) return undefined
    const download = store.downloads.begin(blob.digest, blob.size, lease)
    if (!download) {
      await pause(POLL_MS, signal)
      continue
    }
    if (store.blobs.has(blob.digest, blob.size)) {
      download.drop()
      return undefined
    }
    const read = follow(download)
    read.catch(() => {})
    try {
      await fetchBlob(sources, blob, sinkOf(download, line), signal)
    } catch (err) {
      download.keep()
      throw err
    }
    return await read
  }
}

function sinkOf(download: Download, line: { at(current: number): void }) {
  return {
    get offset() {
      return download.offset
    },
    write(chunk: Uint8Array) {
      download.write(chunk)
      line.at(download.offset)
    },
    restart: () => download.restart(),
    verify: () => download.commit() !== undefined,
  }
}
