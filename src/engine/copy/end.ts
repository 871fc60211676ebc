import type { Descriptor, ImageIndex, ImageManifest } from '../../oci/manifest.js'
import type { TransferLine } from '../registry/transfers.js'

/** A manifest or index, byte for byte. */
export interface RawManifest {
  bytes: Uint8Array
  digest: string
  mediaType: string
  document: ImageManifest | ImageIndex
}

/** A blob on this machine, verified; whoever asked for it drops it. */
export interface LocalBlob {
  open(offset: number): AsyncIterable<Uint8Array>
  drop(): void
}

/** Where an image comes from. Close it. */
export interface CopySource {
  /** What the name stands for. @throws TsboxError E_REGISTRY_NOT_FOUND, E_IMAGE_NOT_FOUND */
  root(): Promise<RawManifest>
  /** @throws TsboxError E_DIGEST_MISMATCH */
  manifest(descriptor: Descriptor): Promise<RawManifest>
  /** @throws TsboxError E_DIGEST_MISMATCH */
  blob(descriptor: Descriptor, line: TransferLine, signal: AbortSignal): Promise<LocalBlob>
  /** Names of repositories of registries (with host) that have the blobs. */
  readonly repositories: readonly string[]
  close(): void
}

/** Where an image goes to. */
export interface CopyTarget {
  /** True where the blob need not be sent. */
  has(descriptor: Descriptor, mountFrom: readonly string[], signal: AbortSignal): Promise<boolean>
  put(descriptor: Descriptor, blob: LocalBlob, line: TransferLine, signal: AbortSignal): Promise<void>
  /** A manifest of an index; its blobs are there. */
  putManifest(manifest: RawManifest, signal: AbortSignal): Promise<void>
  /** The last: what the name stands for. */
  finish(root: RawManifest, signal: AbortSignal): Promise<void>
  /** Forgets what is not finished. Harmless after it. */
  abort(): void
}
