import { parseConfig, platformOf } from '../../oci/image-config.js'
import { type Descriptor, isIndex } from '../../oci/manifest.js'
import { isConfigType } from '../../oci/media-type.js'
import type { Reference } from '../../oci/reference.js'
import { pushBlob } from '../../registry/push-blob.js'
import type { Registry } from '../../registry/registry.js'
import type { Repository } from '../../registry/repository.js'
import { fetchDocument, resolveReference } from '../../registry/resolve.js'
import { resolveShortName } from '../../registry/short-name.js'
import type { ListedManifest } from '../../store/manifest-lists.js'
import type { RawManifest } from '../copy/end.js'
import { RegistrySource } from '../copy/registry-end.js'
import type { RegistryDeps } from '../registry/deps.js'

const MAX_CONFIG_BYTES = 4 << 20

/** Something that a registry has under a name. */
export interface RemoteManifest {
  reference: Reference
  root: RawManifest
  sources: readonly Repository[]
}

export async function readRemote(registry: Registry, text: string, signal: AbortSignal): Promise<RemoteManifest> {
  const reference = resolveShortName(registry.endpoints, text)
  const { root, sources } = await resolveReference(registry.repositories(reference, 'pull'), reference, signal)
  return { reference, root, sources }
}

/**
 * Entries that an image or an index gives a list: an image one, with the platform that its config has; an index its own.
 *
 * @throws TsboxError those of registries
 */
export async function entriesOf(
  { reference, root, sources }: RemoteManifest,
  signal: AbortSignal,
): Promise<ListedManifest[]> {
  const { repository } = reference
  const { document, digest, mediaType, bytes } = root
  if (isIndex(document)) return document.manifests.map((descriptor) => ({ repository, descriptor }))
  const descriptor: Descriptor = { mediaType, digest, size: bytes.length }
  if (isConfigType(document.config.mediaType)) {
    const config = parseConfig(await fetchDocument(sources, document.config, MAX_CONFIG_BYTES, 'image config', signal))
    const { os, architecture, variant } = platformOf(config)
    descriptor.platform = variant === undefined ? { architecture, os } : { architecture, os, variant }
  }
  return [{ repository, descriptor }]
}

/**
 * Makes a repository have an image of another one: its blobs are taken over within a registry, else sent.
 *
 * @throws TsboxError those of registries
 */
export async function bringManifest(
  deps: RegistryDeps,
  entry: ListedManifest,
  target: Repository,
  signal: AbortSignal,
): Promise<void> {
  if (entry.repository === target.name || (await target.head(entry.descriptor.digest, signal))) return
  deps.store.place.prepare()
  const registry = await deps.registry()
  const source = new RegistrySource(registry, `${entry.repository}@${entry.descriptor.digest}`, () =>
    deps.lease.tempPath('copy'),
  )
  const manifest = await source.root()
  if (isIndex(manifest.document)) {
    for (const descriptor of manifest.document.manifests)
      await bringManifest(deps, { ...entry, descriptor }, target, signal)
  } else {
    const host = `${target.endpoint.registry}/`
    const mountFrom = source.repositories.filter((r) => r.startsWith(host)).map((r) => r.slice(host.length))
    for (const blob of [manifest.document.config, ...manifest.document.layers]) {
      const line = { at: () => undefined, end: () => undefined }
      // Asked for only where the registry can't take it over.
      const open = async function* (offset: number) {
        const local = await source.blob(blob, line, signal)
        try {
          yield* local.open(offset)
        } finally {
          local.drop()
        }
      }
      await pushBlob(target, { blob, open, mountFrom }, () => undefined, signal)
    }
  }
  await target.putManifest(manifest.digest, manifest, signal)
}
