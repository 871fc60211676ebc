import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { errnoCode, TsboxError } from '../../base/error.js'
import { digestHex, isDigest } from '../../oci/digest.js'
import { INDEX_FILE, LAYOUT_FILE, LAYOUT_JSON, layoutBlobPath, REF_NAME } from '../../oci/layout.js'
import { type Descriptor, type ImageIndex, isIndex, parseManifest } from '../../oci/manifest.js'
import { MEDIA } from '../../oci/media-type.js'
import { writeFileAtomic } from '../../util/atomic.js'
import { type Claim, tryClaim } from '../../util/claim.js'
import { contentSha256 } from '../../util/hash.js'
import { namesIn } from '../../util/names-in.js'
import { randomId } from '../../util/random.js'
import { hasLayoutBlob, openLayoutBlob, readIndex, taggedIn } from './layout-index.js'
import { readBlob } from './read-blob.js'
import type { CacheTarget } from './transport.js'

/** Blobs on their way: what a dead writer left goes with the next export. */
const WORK_DIR = '.tsbox'
/** The claim of who writes. */
const LOCK = '.tsbox-lock'
const MAX_DOCUMENT_BYTES = 64 << 20
const POLL_MS = 50
/** Nobody can tell from index.json what a blob belongs to but the manifest that lists it. */
const MANIFESTS: readonly string[] = [MEDIA.manifest, MEDIA.index, MEDIA.dockerManifest, MEDIA.dockerIndex]

/**
 * A folder as a cache: an OCI layout in which `tag` is replaced. Blobs come first, by rename, then index.json, by rename:
 * whoever is killed leaves the cache that was there. One exporter writes at a time, others wait.
 *
 * @throws TsboxError E_CACHE_TARGET for a folder of other things
 */
export async function openFolder(dir: string, tag: string, signal: AbortSignal): Promise<CacheTarget> {
  refuseOther(dir)
  guarded(dir, () => mkdirSync(dir, { recursive: true }))
  const claim = await claimed(`${dir}/${LOCK}`, signal)
  try {
    for (const folder of ['blobs', 'blobs/sha256', WORK_DIR]) {
      const path = `${dir}/${folder}`
      // The folder may come from elsewhere: a link in it must not lead what is written, or deleted, to another place.
      const there = lstatSync(path, { throwIfNoEntry: false })
      if (there && !there.isDirectory()) throw other(path)
      if (!there) guarded(path, () => mkdirSync(path))
    }
    return new FolderTarget(dir, tag, claim)
  } catch (err) {
    claim.release()
    throw err
  }
}

function refuseOther(dir: string): void {
  const there = statSync(dir, { throwIfNoEntry: false })
  if (!there) return
  if (there.isDirectory()) {
    const names = readdirSync(dir).filter((n) => !n.startsWith('.tsbox') && n !== 'blobs')
    if (names.length === 0 || names.includes(LAYOUT_FILE)) return
  }
  throw other(dir)
}

function other(path: string): TsboxError {
  return new TsboxError('E_CACHE_TARGET', `write cache: it holds other things: "${path}"`, {
    hint: 'name a folder that is new, empty or a cache',
  })
}

async function claimed(path: string, signal: AbortSignal): Promise<Claim> {
  for (;;) {
    const claim = tryClaim(path)
    if (claim) return claim
    signal.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

class FolderTarget implements CacheTarget {
  readonly name: string
  readonly #dir: string
  readonly #tag: string
  readonly #claim: Claim

  constructor(dir: string, tag: string, claim: Claim) {
    this.name = `local:${dir}`
    this.#dir = dir
    this.#tag = tag
    this.#claim = claim
  }

  async manifest(): Promise<Descriptor | undefined> {
    const index = this.#index()
    return index && taggedIn(index, this.#tag)
  }

  open(blob: Descriptor): AsyncIterable<Uint8Array> {
    return openLayoutBlob(this.#dir, blob)
  }

  async verify(blob: Descriptor): Promise<boolean> {
    if (!hasLayoutBlob(this.#dir, blob)) return false
    const hash = contentSha256()
    for await (const chunk of this.open(blob)) hash.update(chunk)
    return `sha256:${hash.hex()}` === blob.digest
  }

  async put(content: AsyncIterable<Uint8Array>, expected?: Descriptor): Promise<{ digest: string; size: number }> {
    const temp = `${this.#dir}/${WORK_DIR}/blob-${randomId()}`
    const hash = contentSha256()
    let size = 0
    const fd = guarded(temp, () => openSync(temp, 'wx', 0o644))
    try {
      try {
        for await (const chunk of content) {
          hash.update(chunk)
          guarded(temp, () => {
            for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at)
          })
          size += chunk.length
        }
      } finally {
        closeSync(fd)
      }
      const digest = `sha256:${hash.hex()}`
      if (expected && (expected.digest !== digest || expected.size !== size))
        throw new TsboxError('E_DIGEST_MISMATCH', `write cache: content has digest ${digest}, not "${expected.digest}"`)
      const path = this.#blobPath(digest)
      guarded(path, () => renameSync(temp, path))
      return { digest, size }
    } catch (err) {
      rmSync(temp, { force: true })
      throw err
    }
  }

  async commit(manifest: Descriptor, bytes: Uint8Array): Promise<void> {
    await this.put(once(bytes), manifest)
    const before = this.#index()
    const old = before && taggedIn(before, this.#tag)
    const entry = { ...manifest, annotations: { [REF_NAME]: this.#tag } }
    const manifests = [...(before?.manifests ?? []).filter((d) => d !== old), entry]
    const index: ImageIndex = { schemaVersion: 2, mediaType: MEDIA.index, manifests }
    this.#write(LAYOUT_FILE, LAYOUT_JSON)
    this.#write(INDEX_FILE, JSON.stringify(index))
    await this.#sweep(index)
  }

  close(): void {
    rmSync(`${this.#dir}/${WORK_DIR}`, { recursive: true, force: true })
    this.#claim.release()
  }

  #index(): ImageIndex | undefined {
    return readIndex(this.#dir)
  }

  #write(name: string, text: string): void {
    const path = `${this.#dir}/${name}`
    const temp = `${this.#dir}/${WORK_DIR}/${name}`
    guarded(path, () => writeFileAtomic(path, text, { temp, sync: true, mode: 0o644 }))
  }

  #blobPath(digest: string): string {
    return `${this.#dir}/${layoutBlobPath(digest)}`
  }

  /** Drops blobs that nothing leads to; where some document can't be read, it could lead anywhere: then none. */
  async #sweep(index: ImageIndex): Promise<void> {
    const live = new Set<string>()
    try {
      for (const d of index.manifests) await this.#mark(d, live)
    } catch (err) {
      if (err instanceof TsboxError) return
      throw err
    }
    for (const name of namesIn(`${this.#dir}/blobs/sha256`))
      if (isDigest(`sha256:${name}`) && !live.has(name)) unlinkSync(`${this.#dir}/blobs/sha256/${name}`)
  }

  async #mark(d: Descriptor, live: Set<string>): Promise<void> {
    const hex = digestHex(d.digest)
    if (live.has(hex)) return
    live.add(hex)
    if (!MANIFESTS.includes(d.mediaType)) return
    const manifest = parseManifest(await readBlob(this, d, MAX_DOCUMENT_BYTES))
    for (const below of isIndex(manifest) ? manifest.manifests : [manifest.config, ...manifest.layers])
      await this.#mark(below, live)
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function guarded<T>(path: string, task: () => T): T {
  try {
    return task()
  } catch (err) {
    const code = errnoCode(err)
    if (code === undefined || err instanceof TsboxError) throw err
    throw new TsboxError('E_CACHE_TARGET', `write cache: ${code}: "${path}"`, { cause: err })
  }
}
