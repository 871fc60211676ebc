import { TsboxError } from '../../base/error.js'
import type { Hasher } from '../../base/hash.js'
import type { ImageConfig } from '../../oci/config.js'
import { parseConfig } from '../../oci/image-config.js'
import { type Descriptor, type ImageManifest, isIndex, parseManifest } from '../../oci/manifest.js'
import { isConfigType } from '../../oci/media-type.js'
import { parseNamed } from '../../oci/reference.js'
import { decompress } from '../../store/decompress.js'
import type { ImageRecord } from '../../store/images.js'
import { contentSha256 } from '../../util/hash.js'
import { readChunks } from '../../util/read-chunks.js'
import type { ImageVerdict } from '../api.js'
import type { ImageDeps } from './deps.js'
import { findImage } from './stored-image.js'

/**
 * Reads every byte that images refer to and compares: manifests and configs with their digests, blobs with digest and
 * size, unpacked layers with the diffIDs of the config.
 *
 * @param references undefined means every image of the store, damaged ones too
 * @throws TsboxError E_IMAGE_NOT_FOUND for a reference; what is wrong with an image is in its verdict
 */
export async function verifyImages(
  deps: ImageDeps,
  references: readonly string[] | undefined,
): Promise<ImageVerdict[]> {
  const wanted = references
    ? references.map((name) => ({ name, record: findImage(deps.store, name) }))
    : deps.store.images.list().map((record) => ({ name: nameOf(record), record }))
  wanted.sort((a, b) => (a.name < b.name ? -1 : 1))
  const known = new Map<string, Promise<LayerFinding>>()
  const out: ImageVerdict[] = []
  for (const { name, record } of wanted) {
    deps.lease.hold('manifest', record.manifest.digest)
    out.push(await new Verification(deps, name, record.manifest.digest, known).run())
  }
  return out
}

function nameOf({ name }: ImageRecord): string {
  return name === undefined ? '<none>' : parseNamed(name).familiar
}

/** What reading a blob gave. */
interface LayerFinding {
  sizeBytes: number
  /** Digest of the uncompressed tar. */
  diffID: string | undefined
  problems: string[]
}

class Verification {
  readonly #deps: ImageDeps
  readonly #known: Map<string, Promise<LayerFinding>>
  readonly #verdict: ImageVerdict
  readonly #manifests = new Set<string>()

  constructor(deps: ImageDeps, name: string, manifestDigest: string, known: Map<string, Promise<LayerFinding>>) {
    this.#deps = deps
    this.#known = known
    this.#verdict = { name, manifestDigest, blobs: 0, sizeBytes: 0, problems: [] }
  }

  async run(): Promise<ImageVerdict> {
    await this.#manifest(this.#verdict.manifestDigest)
    return this.#verdict
  }

  async #manifest(digest: string): Promise<void> {
    if (this.#manifests.has(digest)) return
    this.#manifests.add(digest)
    const manifest = this.#read(digest, 'manifest', parseManifest)
    if (!manifest) return
    if (!isIndex(manifest)) return this.#image(manifest)
    for (const child of manifest.manifests) await this.#manifest(child.digest)
  }

  async #image(manifest: ImageManifest): Promise<void> {
    const config = isConfigType(manifest.config.mediaType)
      ? this.#read(manifest.config.digest, 'config', parseConfig)
      : await this.#blob(manifest.config)
    const diffIDs = (config as ImageConfig | undefined)?.rootfs?.diff_ids
    if (diffIDs && diffIDs.length !== manifest.layers.length)
      this.#verdict.problems.push(`the config names ${diffIDs.length} layers, the manifest ${manifest.layers.length}`)
    for (const [i, layer] of manifest.layers.entries()) await this.#layer(layer, diffIDs?.[i])
  }

  #read<T>(digest: string, what: string, parse: (bytes: Uint8Array) => T): T | undefined {
    try {
      const bytes = this.#deps.store.blobs.read(digest)
      this.#verdict.blobs++
      this.#verdict.sizeBytes += bytes.length
      return parse(bytes)
    } catch (err) {
      if (!(err instanceof TsboxError)) throw err
      this.#verdict.problems.push(`${what} ${digest}: ${reasonOf(err)}`)
      return undefined
    }
  }

  async #layer(layer: Descriptor, diffID: string | undefined): Promise<void> {
    const found = await this.#blob(layer, diffID)
    if (found?.diffID !== undefined && diffID !== undefined && found.diffID !== diffID)
      this.#verdict.problems.push(`layer ${layer.digest}: unpacks to ${found.diffID}, the config names ${diffID}`)
  }

  async #blob(blob: Descriptor, diffID?: string): Promise<LayerFinding | undefined> {
    const key = `${blob.digest} ${diffID === undefined ? '' : 'layer'}`
    let finding = this.#known.get(key)
    if (!finding) {
      finding = readBlob(this.#deps, blob, diffID !== undefined)
      this.#known.set(key, finding)
    }
    const found = await finding
    this.#verdict.blobs++
    this.#verdict.sizeBytes += found.sizeBytes
    this.#verdict.problems.push(...found.problems)
    return found
  }
}

/** Hashes a blob and, where it is a layer's, what it unpacks to; a layer that is only a snapshot is made a tar again. */
async function readBlob(deps: ImageDeps, blob: Descriptor, isLayer: boolean): Promise<LayerFinding> {
  const { blobs } = deps.store
  const packed = contentSha256()
  const tar = contentSha256()
  const stored = blobs.has(blob.digest)
  let sizeBytes = 0
  const chunks = (stored ? readChunks(blobs.path(blob.digest)) : deps.openTar(blob.digest))[Symbol.asyncIterator]()
  // Without an early end: whatever follows the compressed data belongs to the blob too.
  const source: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const next = await chunks.next()
        if (!next.done) {
          packed.update(next.value)
          sizeBytes += next.value.length
        }
        return next
      },
    }),
  }
  const problems: string[] = []
  try {
    if (isLayer && stored) for await (const chunk of decompress(source)) tar.update(chunk)
    for await (const _ of source);
  } catch (err) {
    if (!(err instanceof TsboxError)) throw err
    return { sizeBytes, diffID: undefined, problems: [`blob ${blob.digest}: ${reasonOf(err)}`] }
  } finally {
    await chunks.return?.()
  }
  const digest = hexOf(packed)
  if (sizeBytes !== blob.size)
    problems.push(`blob ${blob.digest}: has ${sizeBytes} bytes, the manifest says ${blob.size}`)
  if (digest !== blob.digest) problems.push(`blob ${blob.digest}: content has the digest ${digest}`)
  const diffID = isLayer ? (stored ? hexOf(tar) : digest) : undefined
  return { sizeBytes, diffID, problems }
}

function hexOf(hash: Hasher): string {
  return `sha256:${hash.hex()}`
}

function reasonOf(err: TsboxError): string {
  return err.code === 'E_BLOB_MISSING' ? 'is not in the store' : err.message
}
