/** Kinds of entries. `whiteout` removes the name `path`; `opaque` hides everything lower layers have below the directory `path`. */
export type EntryType = 'file' | 'dir' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo' | 'whiteout' | 'opaque'

/**
 * One change of a layer. Tar, the helper's frames, build contexts and WASI diffs all speak entries.
 *
 * Order within a layer: depth first, a directory before what is in it, siblings by the bytes of their names (a whiteout
 * under the name that it removes), an `opaque` right after its directory, a hard link after the file it names.
 *
 * @see OCI image-spec 1.1, layer.md
 */
export interface Entry {
  /** Relative to the root, `/` between names, no leading or trailing slash; `''` is the root. Not UTF-8: see base/bytes. */
  path: string
  type: EntryType
  /** Permission bits with set-id and sticky, 0–0o7777. 0 for whiteout and opaque. */
  mode: number
  uid: number
  gid: number
  /** Whole seconds since 1970, may be negative. */
  mtime: number
  /** Bytes of content of a `file`; 0 for everything else. */
  size: number
  /** Target text of a symlink as stored; of a hard link the `path` of the earlier entry. */
  link?: string | undefined
  /** Device numbers of `char` and `block`. */
  major?: number | undefined
  minor?: number | undefined
  /** Extended attributes (`user.*`, `security.capability`), sorted by name. */
  xattrs?: readonly Xattr[] | undefined
}

/** An extended attribute: full name, raw value. */
export type Xattr = readonly [name: string, value: Uint8Array]

/**
 * Receives a layer. Synchronous: writers hash and write at once, so nothing queues. After an entry of type `file`,
 * `data` is called with exactly `size` bytes in all, in any number of pieces; a piece is only valid during the call.
 */
export interface EntrySink {
  entry(entry: Entry): void
  data(chunk: Uint8Array): void
}

/** An entry as read from somewhere; the content must be consumed before the next entry is asked for. */
export interface EntryWithContent {
  entry: Entry
  /** Content of a `file` in order; undefined for other types. */
  content?: Iterable<Uint8Array> | AsyncIterable<Uint8Array> | undefined
}

/** A layer as a stream of entries. */
export type EntrySource = AsyncIterable<EntryWithContent> | Iterable<EntryWithContent>
