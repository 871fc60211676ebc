/** Indexes for several platforms: put together here, pushed to a registry. */
import type { Descriptor, DescriptorPlatform, ImageIndex, ImageManifest } from '../../oci/manifest.js'

/** A manifest or an index as a registry has it. */
export interface InspectedManifest {
  /** Canonical; where it lies. */
  name: string
  descriptor: Descriptor
  document: ImageManifest | ImageIndex
}

export interface ManifestListEngine {
  /** Begins a list, or with `amend` adds to it. @returns its canonical name */
  create(name: string, images: readonly string[], options: { amend: boolean; signal: AbortSignal }): Promise<string>
  /** Changes what a list says of an image. */
  annotate(name: string, image: string, platform: Partial<DescriptorPlatform>, signal: AbortSignal): Promise<void>
  /** A list of here, else what a registry has under the name. */
  inspect(name: string, signal: AbortSignal): Promise<InspectedManifest>
  /** The images that an index lists, each read. */
  images(inspected: InspectedManifest, signal: AbortSignal): Promise<InspectedManifest[]>
  /** @returns the digest of the index */
  push(name: string, options: { purge: boolean; signal: AbortSignal }): Promise<string>
  remove(names: readonly string[]): Promise<string[]>
  /** Makes an index of images and indexes of registries and pushes it at once. @returns its digest, and the index */
  combine(
    tags: readonly string[],
    sources: readonly string[],
    options: { append: boolean; dryRun: boolean; signal: AbortSignal },
  ): Promise<{ digest: string; index: ImageIndex }>
}
