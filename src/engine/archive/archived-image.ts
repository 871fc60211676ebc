import type { Descriptor } from '../../oci/manifest.js'
import type { StagedFile } from './archive-files.js'

/** An image as an archive describes it, digests of documents verified, layers not yet looked into. */
export interface ArchivedImage {
  /** As the archive has them; none for an image without a name. */
  names: string[]
  /** The manifest's bytes where the archive has one: kept as they are. */
  manifest?: { bytes: Uint8Array; mediaType: string } | undefined
  config: Uint8Array
  /** Base first. */
  layers: ArchivedLayer[]
}

/** A layer's file, and what the manifest says of it. */
export interface ArchivedLayer {
  /** Absent where only the store may have it. */
  file: StagedFile | undefined
  /** Set where there is a manifest. */
  descriptor?: Descriptor | undefined
}
