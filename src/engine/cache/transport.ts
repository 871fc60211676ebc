import type { Descriptor } from '../../oci/manifest.js'

/** Blobs, and the one manifest that says what they are: all that an importer needs of a folder, an image or a registry. */
export interface CacheSource {
  /** For messages: `local:/cache`. */
  readonly name: string
  /** The manifest to read; undefined where there is none yet. Rejects where the place can't be read. */
  manifest(): Promise<Descriptor | undefined>
  /** Whether the blob is there, as far as that can be told without asking anybody; else true. */
  has(blob: Descriptor): boolean
  /** Bytes of a blob as they come: whoever asks verifies them. */
  open(blob: Descriptor): AsyncIterable<Uint8Array>
  close(): void
}

/** Where a cache is written to. Until {@link commit} it is what it was before. */
export interface CacheTarget {
  /** For messages. */
  readonly name: string
  /** The manifest that is there now. Rejects where the place can't be written. */
  manifest(): Promise<Descriptor | undefined>
  /** Bytes of a blob, to be verified by whoever asks. */
  open(blob: Descriptor): AsyncIterable<Uint8Array>
  /** Whether the blob is there, whole: its bytes have that digest. */
  verify(blob: Descriptor): Promise<boolean>
  /** Stores a blob, whole or not at all. @param expected what it must be @throws TsboxError E_DIGEST_MISMATCH */
  put(content: AsyncIterable<Uint8Array>, expected?: Descriptor): Promise<{ digest: string; size: number }>
  /** Makes the manifest, whose blobs were put before, the cache. What nothing refers to any more goes, where that can be told. */
  commit(manifest: Descriptor, bytes: Uint8Array): Promise<void>
  close(): void
}
