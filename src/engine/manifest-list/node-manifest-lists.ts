import { TsboxError } from '../../base/error.js'
import { digestOf } from '../../oci/digest.js'
import {
  type Descriptor,
  type DescriptorPlatform,
  type ImageIndex,
  isIndex,
  parseManifest,
} from '../../oci/manifest.js'
import { MEDIA } from '../../oci/media-type.js'
import { parseReference, type Reference } from '../../oci/reference.js'
import { firstOf } from '../../registry/resolve.js'
import { type ListedManifest, type ManifestList, ManifestListStore } from '../../store/manifest-lists.js'
import { nodeSha256 } from '../../util/hash.js'
import type { InspectedManifest, ManifestListEngine } from '../api/manifest-lists.js'
import type { RegistryDeps } from '../registry/deps.js'
import { pushTarget } from '../registry/push-image.js'
import { bringManifest, entriesOf, readRemote } from './remote.js'

/** The engine's work on indexes for several platforms. */
export class NodeManifestLists implements ManifestListEngine {
  readonly #deps: RegistryDeps
  readonly #lists: ManifestListStore

  constructor(deps: RegistryDeps) {
    this.#deps = deps
    this.#lists = new ManifestListStore(deps.store.place)
  }

  async create(
    name: string,
    images: readonly string[],
    { amend, signal }: { amend: boolean; signal: AbortSignal },
  ): Promise<string> {
    const canonical = tagged(name)
    const before = this.#lists.get(canonical)
    if (before && !amend)
      throw new TsboxError('E_MANIFEST_LIST', `create manifest list: it is there already: "${name}"`, {
        hint: `add to it with --amend, or remove it with tsbox manifest rm ${name}`,
      })
    const list: ManifestList = before ?? { name: canonical, manifests: [] }
    const registry = await this.#deps.registry()
    for (const image of images) {
      const entries = await entriesOf(await readRemote(registry, image, signal), signal)
      list.manifests = merged(list.manifests, entries)
    }
    this.#lists.put(list, this.#deps.lease)
    return canonical
  }

  async annotate(
    name: string,
    image: string,
    platform: Partial<DescriptorPlatform>,
    signal: AbortSignal,
  ): Promise<void> {
    const list = this.#known(name)
    const reference = parseReference(image)
    let digest = reference.digest as string | undefined
    if (!list.manifests.some((m) => m.descriptor.digest === digest))
      digest = (await readRemote(await this.#deps.registry(), image, signal)).root.digest
    const entry = list.manifests.find((m) => m.descriptor.digest === digest)
    if (!entry)
      throw new TsboxError('E_MANIFEST_LIST', `annotate manifest: the list has no such image: "${image}"`, {
        hint: `tsbox manifest create --amend ${name} ${image} adds it`,
      })
    const before = entry.descriptor.platform ?? { architecture: '', os: '' }
    entry.descriptor = { ...entry.descriptor, platform: { ...before, ...platform } }
    this.#lists.put(list, this.#deps.lease)
  }

  async inspect(name: string, signal: AbortSignal): Promise<InspectedManifest> {
    const list = this.#lists.get(tagged(name))
    if (list) {
      const { bytes, document } = encoded(list.manifests)
      return { name: list.name, descriptor: descriptorOf(bytes), document }
    }
    const { reference, root } = await readRemote(await this.#deps.registry(), name, signal)
    const { mediaType, digest, bytes, document } = root
    return { name: reference.toString(), descriptor: { mediaType, digest, size: bytes.length }, document }
  }

  async images({ name, document }: InspectedManifest, signal: AbortSignal): Promise<InspectedManifest[]> {
    if (!isIndex(document)) return []
    const registry = await this.#deps.registry()
    const list = this.#lists.get(name)
    const out: InspectedManifest[] = []
    for (const descriptor of document.manifests) {
      const own = list?.manifests.find((m) => m.descriptor.digest === descriptor.digest)?.repository
      const reference = parseReference(`${own ?? parseReference(name).repository}@${descriptor.digest}`)
      const found = await firstOf(
        registry.repositories(reference, 'pull'),
        (place) => place.manifest(descriptor.digest, signal),
        signal,
      )
      out.push({ name: reference.toString(), descriptor, document: found.document })
    }
    return out
  }

  async push(name: string, { purge, signal }: { purge: boolean; signal: AbortSignal }): Promise<string> {
    const list = this.#known(name)
    const { digest } = await this.#send(list.manifests, [parseReference(list.name)], signal)
    if (purge) this.#lists.remove(list.name)
    return digest
  }

  async remove(names: readonly string[]): Promise<string[]> {
    return names.map((name) => {
      const list = this.#known(name)
      this.#lists.remove(list.name)
      return list.name
    })
  }

  async combine(
    tags: readonly string[],
    sources: readonly string[],
    { append, dryRun, signal }: { append: boolean; dryRun: boolean; signal: AbortSignal },
  ): Promise<{ digest: string; index: ImageIndex }> {
    const registry = await this.#deps.registry()
    let manifests: ListedManifest[] = []
    for (const text of append ? [...tags.slice(0, 1), ...sources] : sources)
      manifests = merged(manifests, await entriesOf(await readRemote(registry, text, signal), signal))
    if (dryRun) {
      const { bytes, document } = encoded(manifests)
      return { digest: descriptorOf(bytes).digest, index: document }
    }
    return this.#send(
      manifests,
      tags.map((t) => parseReference(t)),
      signal,
    )
  }

  /** Images first, the index last: nothing that has a name refers to what is missing. */
  async #send(
    manifests: readonly ListedManifest[],
    targets: readonly Reference[],
    signal: AbortSignal,
  ): Promise<{ digest: string; index: ImageIndex }> {
    if (manifests.length === 0) throw new TsboxError('E_MANIFEST_LIST', 'push manifest list: there are no images in it')
    const { bytes, document } = encoded(manifests)
    const { digest, mediaType } = descriptorOf(bytes)
    for (const reference of targets) {
      const target = await pushTarget(this.#deps, reference)
      for (const entry of manifests) await bringManifest(this.#deps, entry, target, signal)
      await target.putManifest(reference.tag ?? 'latest', { bytes, digest, mediaType }, signal)
    }
    return { digest, index: document }
  }

  #known(name: string): ManifestList {
    const list = this.#lists.get(tagged(name))
    if (list) return list
    const there = this.#lists.list().join(', ')
    throw new TsboxError('E_MANIFEST_LIST', `no such manifest list: ${name}`, {
      hint: there ? `there are ${there}` : `tsbox manifest create ${name} IMAGE… makes it`,
    })
  }
}

function tagged(name: string): string {
  return parseReference(name).toString()
}

/** Newer entries take the place of equal ones. */
function merged(before: readonly ListedManifest[], more: readonly ListedManifest[]): ListedManifest[] {
  const digests = new Set(more.map((m) => m.descriptor.digest))
  return [...before.filter((m) => !digests.has(m.descriptor.digest)), ...more]
}

function encoded(manifests: readonly ListedManifest[]): { bytes: Uint8Array; document: ImageIndex } {
  const docker = manifests.length > 0 && manifests.every((m) => m.descriptor.mediaType === MEDIA.dockerManifest)
  const descriptors: Descriptor[] = manifests.map((m) => m.descriptor)
  const mediaType = docker ? MEDIA.dockerIndex : MEDIA.index
  const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, manifests: descriptors }))
  return { bytes, document: parseManifest(bytes) as ImageIndex }
}

function descriptorOf(bytes: Uint8Array): Descriptor {
  const { mediaType } = parseManifest(bytes)
  return { mediaType: mediaType ?? MEDIA.index, digest: digestOf(nodeSha256, bytes), size: bytes.length }
}
