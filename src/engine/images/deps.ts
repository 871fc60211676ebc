import type { Platform } from '../../oci/platform.js'
import type { Lease } from '../../store/lease.js'
import type { Store } from '../../store/store.js'
import type { RemoveTrees } from '../../store/trash.js'
import type { Workshop } from '../layers/workshop.js'

/** What work on images stands on. */
export interface ImageDeps {
  store: Store
  lease: Lease
  /** For what reads or makes layers. */
  shop: Workshop
  /** Platform of this machine. */
  platform: Platform
  env: Readonly<Record<string, string | undefined>>
  /** Whole seconds since 1970. */
  now(): number
  /**
   * The uncompressed tar of a layer of which there is no blob, from its snapshot; pieces are valid until the next one.
   * Must be exactly the bytes that the digest is of.
   */
  openTar(diffID: string): AsyncIterable<Uint8Array>
  /** Deletes trees with files of mapped users, by the helper. */
  removeTrees: RemoveTrees
}
