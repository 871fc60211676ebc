/** Images: what is listed, shown and changed. */

import type { ContainerConfig, HistoryEntry, ImageConfig } from '../../oci/config.js'
import type { ExploredImage, ImageDifference, ImagePruneRequest, ImageVerdict } from './image-checks.js'

export interface ImageSummary {
  /** `docker.io/library/x` is shown as `x`; undefined for an image without a tag. */
  repository?: string | undefined
  tag?: string | undefined
  /** Config digest. */
  id: string
  manifestDigest: string
  created?: string | undefined
  sizeBytes: number
  labels: Readonly<Record<string, string>>
  /** `linux/amd64`. */
  platform: string
  /** Bytes of the blobs as a registry would have them. */
  contentBytes: number
  /** How many containers use it. */
  containers: number
}

/** Docker's JSON of `image inspect`, as far as it has a meaning here. */
export interface ImageInspect {
  Id: string
  RepoTags: string[]
  RepoDigests: string[]
  Created?: string
  Author?: string
  Architecture: string
  Variant?: string
  Os: string
  Size: number
  Config: ContainerConfig
  RootFS: { Type: 'layers'; Layers: string[] }
  Metadata: { LastTagTime?: string }
}

export interface ImageEngine {
  /**
   * Newest first; `name` is a reference with or without a tag.
   *
   * @param filters docker's, `until` in milliseconds since 1970
   */
  list(name?: string, filters?: Readonly<Record<string, readonly string[]>>): Promise<ImageSummary[]>
  inspect(reference: string): Promise<ImageInspect>
  /** Newest first, with the size of each layer. */
  history(reference: string): Promise<(HistoryEntry & { id: string; sizeBytes: number })[]>
  tag(source: string, target: string): Promise<void>
  /** @returns lines as docker's: `Untagged: …`, `Deleted: …` */
  remove(references: readonly string[], options: { force: boolean }): Promise<string[]>
  /** docker-archive, OCI archive, OCI layout folder; `-` is `stdin`. @returns names or ids that were loaded */
  load(input: string, stdin?: AsyncIterable<Uint8Array>): Promise<string[]>
  /** One archive that is OCI layout and docker-archive in one; `write` gets the bytes in order. */
  save(references: readonly string[], write: (chunk: Uint8Array) => Promise<void> | void): Promise<void>
  /** A root filesystem's tar becomes an image of one layer. @returns the image id */
  import(
    input: string,
    reference: string | undefined,
    changes: readonly string[],
    stdin?: AsyncIterable<Uint8Array>,
  ): Promise<string>
  /** Programs of this machine and the shared libraries that they need become an image. @returns the image id */
  fromHost(reference: string, programs: readonly string[]): Promise<string>
  /** Removes images that nothing uses. @returns lines as docker's: `untagged: …`, `deleted: …` */
  prune(request: ImagePruneRequest): Promise<{ deleted: string[]; reclaimedBytes: number }>
  /** Reads everything again that the images refer to; undefined means all images. */
  verify(references: readonly string[] | undefined): Promise<ImageVerdict[]>
  /** How the second image differs from the first. @param options `times`: also in files' times */
  diff(first: string, second: string, options: { times: boolean }): Promise<ImageDifference>
  /** What each layer brings, changes and removes. */
  explore(reference: string): Promise<ExploredImage>
  config(reference: string): Promise<{ digest: string; config: ImageConfig }>
}
