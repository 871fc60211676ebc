import { TsboxError } from '../../base/error.js'
import { limiter } from '../../base/limit.js'
import { type Descriptor, isIndex } from '../../oci/manifest.js'
import { formatPlatform, type Platform } from '../../oci/platform.js'
import { chooseImage, platformsOf } from '../../oci/platform-choice.js'
import { readChunks } from '../../util/read-chunks.js'
import { readArchive, readFolder } from '../archive/archive-files.js'
import type { RegistryDeps } from '../registry/deps.js'
import type { Transfers } from '../registry/transfers.js'
import { DirSource, DockerArchiveSource, LayoutSource } from './archive-end.js'
import type { CopySource, CopyTarget, RawManifest } from './end.js'
import { ArchiveTarget, DirTarget, LayoutTarget } from './folder-end.js'
import type { CopyPlace } from './place.js'
import { RegistrySource, RegistryTarget } from './registry-end.js'

/** Blobs on their way at once. */
const LANES = 4
const MAX_INDEX_DEPTH = 4

/** What is copied. */
export interface CopyJob {
  from: CopyPlace
  to: CopyPlace
  /** All images of an index, with the index; else the one for the platform. */
  all: boolean
  platform: Platform
  signal: AbortSignal
}

/**
 * Copies an image from one place to another, byte for byte, without the store: digests stay what they are, and what the
 * target has is not sent.
 *
 * @returns digest of what the target's name stands for now
 * @throws TsboxError
 */
export async function copyImage(deps: RegistryDeps, job: CopyJob, transfers: Transfers): Promise<string> {
  const source = await openSource(deps, job.from)
  try {
    const target = await openTarget(deps, job.to)
    try {
      return await new Copy(source, target, job, transfers).run()
    } finally {
      target.abort()
    }
  } finally {
    source.close()
  }
}

async function openSource(deps: RegistryDeps, place: CopyPlace): Promise<CopySource> {
  const { store, lease } = deps
  switch (place.transport) {
    case 'docker':
      store.place.prepare()
      return new RegistrySource(await deps.registry(), place.reference, () => lease.tempPath('copy'))
    case 'oci':
      return new LayoutSource(readFolder(place.path, store.blobs, lease), place.reference)
    case 'dir':
      return new DirSource(readFolder(place.path, store.blobs, lease))
    default: {
      const files = await readArchive(readChunks(place.path), store.blobs, lease)
      return place.transport === 'oci-archive'
        ? new LayoutSource(files, place.reference)
        : new DockerArchiveSource(files, place.reference)
    }
  }
}

async function openTarget(deps: RegistryDeps, place: CopyPlace): Promise<CopyTarget> {
  switch (place.transport) {
    case 'docker':
      return new RegistryTarget(await deps.registry(), place.reference)
    case 'oci':
      return new LayoutTarget(place.path, place.reference)
    case 'dir':
      return new DirTarget(place.path)
    default:
      return new ArchiveTarget(place.transport, place.path, place.reference)
  }
}

class Copy {
  readonly #source: CopySource
  readonly #target: CopyTarget
  readonly #job: CopyJob
  readonly #transfers: Transfers
  readonly #limit = limiter(LANES)
  readonly #blobs = new Map<string, Promise<void>>()

  constructor(source: CopySource, target: CopyTarget, job: CopyJob, transfers: Transfers) {
    this.#source = source
    this.#target = target
    this.#job = job
    this.#transfers = transfers
  }

  async run(): Promise<string> {
    let root = await this.#source.root()
    if (!this.#job.all) for (let depth = 0; isIndex(root.document); depth++) root = await this.#choose(root, depth)
    await this.#contents(root, 0)
    await this.#target.finish(root, this.#job.signal)
    this.#transfers.status(`copied ${root.digest}`)
    return root.digest
  }

  async #choose(root: RawManifest, depth: number): Promise<RawManifest> {
    const { platform } = this.#job
    const manifests = isIndex(root.document) ? root.document.manifests : []
    const found = depth < MAX_INDEX_DEPTH ? chooseImage(manifests, platform) : undefined
    if (found) return this.#source.manifest(found)
    throw new TsboxError('E_NO_PLATFORM', `copy image: none for "${formatPlatform(platform)}" is there`, {
      hint: `there are images for ${platformsOf(manifests) || 'nothing'}: choose one with --platform, or take all with --all`,
    })
  }

  /** All that a manifest refers to, then nothing more: who names it comes after. */
  async #contents({ document }: RawManifest, depth: number): Promise<void> {
    this.#job.signal.throwIfAborted()
    if (!isIndex(document)) {
      await this.#all([document.config, ...document.layers].map((blob) => this.#blob(blob)))
      return
    }
    if (depth === MAX_INDEX_DEPTH)
      throw new TsboxError('E_MANIFEST_INVALID', 'copy image: indexes in indexes, too many')
    for (const descriptor of document.manifests) {
      const manifest = await this.#source.manifest(descriptor)
      await this.#contents(manifest, depth + 1)
      await this.#target.putManifest(manifest, this.#job.signal)
    }
  }

  /** Waits for all before it fails, so that nothing goes on behind a failure. */
  async #all(work: readonly Promise<void>[]): Promise<void> {
    const settled = await Promise.allSettled(work)
    for (const one of settled) if (one.status === 'rejected') throw one.reason
  }

  #blob(blob: Descriptor): Promise<void> {
    const known = this.#blobs.get(blob.digest)
    if (known) return known
    const made = this.#limit(() => this.#copyBlob(blob))
    this.#blobs.set(blob.digest, made)
    return made
  }

  async #copyBlob(blob: Descriptor): Promise<void> {
    const { signal } = this.#job
    signal.throwIfAborted()
    if (await this.#target.has(blob, this.#source.repositories, signal)) {
      this.#transfers.status(`${blob.digest} is there`)
      return
    }
    const line = this.#transfers.begin(blob.digest, blob.size)
    const local = await this.#source.blob(blob, line, signal)
    try {
      await this.#target.put(blob, local, line, signal)
    } finally {
      local.drop()
    }
    line.end()
  }
}
