/** Questions about images that docker has no command for, and how unused ones go. */

/** What is known of an image after every byte of it was read again. */
export interface ImageVerdict {
  /** As it was asked for; with all images, the name or `<none>`. */
  name: string
  manifestDigest: string
  /** Blobs and layers that were read, and their bytes. */
  blobs: number
  sizeBytes: number
  /** One line each; empty where all is well. */
  problems: string[]
}

/** A path that two images do not have alike. */
export interface PathDifference {
  path: string
  kind: 'added' | 'removed' | 'changed'
  /** Kind of file: `file`, `dir`, `symlink` … of the image that has it, of both where they differ. */
  type: string
  /** Bytes of a file's content, 0 for all else and for a side that has no such path. */
  before: number
  after: number
  /** What differs, in words: `content`, `mode 0644 → 0755`. */
  what: string[]
}

/** How a second image differs from a first. */
export interface ImageDifference {
  /** Digest of the manifest of each. */
  manifests: readonly [string, string]
  /** Fields of the config: dotted name, and the JSON of both sides (undefined where a side has it not). */
  config: { field: string; before: string | undefined; after: string | undefined }[]
  /** DiffIDs: of both at their bottom, and of each alone. */
  layers: { shared: number; before: number; after: number }
  paths: PathDifference[]
}

/** Which unused images go. */
export interface ImagePruneRequest {
  /** Every image that no container uses, not only those without a name. */
  all: boolean
  /** `until` (milliseconds since 1970), `label`, `label!`, `dangling`. */
  filters: Readonly<Record<string, readonly string[]>>
}

/** What a layer does to one path. */
export interface LayerChange {
  path: string
  kind: 'added' | 'changed' | 'removed'
  /** Kind of file: `file`, `dir`, `symlink`, `hardlink` …; of a removed one what it was. */
  type: string
  mode: number
  uid: number
  gid: number
  /** Bytes of content; of a removed file those that are hidden now. */
  size: number
  link?: string | undefined
}

export interface ExploredLayer {
  diffID: string
  createdBy: string
  /** Bytes of the files that it brings. */
  sizeBytes: number
  /** Directories before what is in them. */
  changes: LayerChange[]
}

export interface ExploredImage {
  id: string
  /** Base first. */
  layers: ExploredLayer[]
  /** Bytes of files that a later layer replaces or removes: they are shipped for nothing. */
  wastedBytes: number
  totalBytes: number
  /** Where they are, the most first: path, how many layers have it, bytes. */
  waste: { path: string; count: number; bytes: number }[]
}
