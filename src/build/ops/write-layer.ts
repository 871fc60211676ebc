import type { Entry } from '../../layer/entry.js'
import { hashOf } from '../graph/key.js'
import type { StartTransfer } from '../progress/transfer.js'
import type { BuildHost, FileTree, Layer } from '../seams.js'
import type { Drafted } from './draft.js'

export interface LayerOptions {
  /** Whether a layer with the same content may be taken. */
  reuse: boolean
  /** Ends the reading of contents. */
  signal?: AbortSignal | undefined
  transfer?: StartTransfer | undefined
}

/**
 * Turns drafted entries into a layer, reading each content once. A layer with the same entries and contents that was
 * made before is taken instead, whatever its times: as in BuildKit, a touched file is not a change.
 *
 * @param drafted in layer order
 * @param contentKey gives the key under which the finished layer is remembered, from the hash of its entries
 */
export async function writeLayer(
  host: BuildHost,
  drafted: readonly Drafted[],
  { reuse, signal, transfer }: LayerOptions,
): Promise<{ layer: Layer; contentHash: string }> {
  const known = knownHashes(host, drafted)
  if (known && reuse) {
    const contentHash = hashEntries(host, drafted, known)
    const layer = remembered(host, contentHash)
    if (layer) return { layer, contentHash }
  }
  const writer = host.layers.writer()
  try {
    const hashes = await writeEntries(host, drafted, writer, signal, transfer)
    const contentHash = hashEntries(host, drafted, hashes)
    const before = reuse ? remembered(host, contentHash) : undefined
    if (before) return { layer: before, contentHash }
    const layer = await writer.commit(hashes)
    for (const tree of treesOf(drafted)) tree.stored?.(layer)
    host.cache.put(layerKey(host, contentHash), { key: contentHash, layer, created: host.now() })
    return { layer, contentHash }
  } finally {
    writer.abort()
  }
}

/** The hash of entries and contents by which {@link writeLayer} finds a layer. @param read see `hashSources` */
export async function hashDrafted(
  host: BuildHost,
  drafted: readonly Drafted[],
  read: boolean,
): Promise<string | undefined> {
  const hashes = knownHashes(host, drafted) ?? (read ? await readHashes(host, drafted) : undefined)
  return hashes && hashEntries(host, drafted, hashes)
}

async function readHashes(host: BuildHost, drafted: readonly Drafted[]): Promise<ContentHashes> {
  const hashes = noHashes(drafted)
  for (const group of groupByTree(drafted)) {
    if (group.bytes) {
      hashes[group.from] = hashBytes(host, group.bytes)
      continue
    }
    const nothing = () => {}
    const found = await group.tree.readFiles(group.paths, nothing, nothing)
    for (let i = 0; i < found.length; i++) hashes[group.indexes[i]!] = found[i]
  }
  return hashes
}

function layerKey(host: BuildHost, contentHash: string): string {
  return hashOf(host.sha256, { layer: contentHash })
}

function remembered(host: BuildHost, contentHash: string): Layer | undefined {
  const layer = host.cache.get(layerKey(host, contentHash))?.layer
  return layer && host.layers.keep(layer) ? layer : undefined
}

/** Hex SHA-256 of contents, by number of the entry. */
type ContentHashes = (string | undefined)[]

/** Hashes of all contents, if none must be read for it. */
function knownHashes(host: BuildHost, drafted: readonly Drafted[]): ContentHashes | undefined {
  const out = noHashes(drafted)
  for (const group of groupByTree(drafted)) {
    if (group.bytes) {
      out[group.from] = hashBytes(host, group.bytes)
      continue
    }
    const hashes = group.tree.knownHashes(group.paths)
    for (let i = 0; i < hashes.length; i++) {
      if (hashes[i] === undefined) return undefined
      out[group.indexes[i]!] = hashes[i]
    }
  }
  return out
}

function noHashes(drafted: readonly Drafted[]): ContentHashes {
  return new Array<string | undefined>(drafted.length).fill(undefined)
}

async function writeEntries(
  host: BuildHost,
  drafted: readonly Drafted[],
  writer: ReturnType<BuildHost['layers']['writer']>,
  signal: AbortSignal | undefined,
  transfer: StartTransfer | undefined,
): Promise<ContentHashes> {
  const hashes = noHashes(drafted)
  const moved = transfer?.('copying files', sizeOf(drafted))
  let next = 0
  const flushTo = (index: number) => {
    for (; next <= index; next++) writer.entry(drafted[next]!.entry)
  }
  for (const group of groupByTree(drafted)) {
    if (group.bytes) {
      flushTo(group.from)
      writer.data(group.bytes)
      hashes[group.from] = hashBytes(host, group.bytes)
      continue
    }
    const found = await group.tree.readFiles(
      group.paths,
      (i) => flushTo(group.indexes[i]!),
      (chunk) => {
        signal?.throwIfAborted()
        writer.data(chunk)
        moved?.add(chunk.length)
      },
    )
    for (let i = 0; i < found.length; i++) hashes[group.indexes[i]!] = found[i]
  }
  flushTo(drafted.length - 1)
  moved?.end()
  return hashes
}

function sizeOf(drafted: readonly Drafted[]): number {
  return drafted.reduce((sum, d) => sum + (d.tree || d.bytes ? d.entry.size : 0), 0)
}

type Group =
  | { bytes: Uint8Array; from: number }
  | { bytes?: undefined; tree: FileTree; paths: string[]; indexes: number[] }

/** Runs of neighbouring contents of one tree, so that each tree is asked for many files at once. */
function groupByTree(drafted: readonly Drafted[]): Group[] {
  const groups: Group[] = []
  for (let i = 0; i < drafted.length; i++) {
    const { tree, path, bytes } = drafted[i]!
    if (bytes) groups.push({ bytes, from: i })
    if (!tree || path === undefined) continue
    const last = groups.at(-1)
    if (last && !last.bytes && last.tree === tree) {
      last.paths.push(path)
      last.indexes.push(i)
    } else groups.push({ tree, paths: [path], indexes: [i] })
  }
  return groups
}

function treesOf(drafted: readonly Drafted[]): Set<FileTree> {
  const trees = new Set<FileTree>()
  for (const { tree } of drafted) if (tree) trees.add(tree)
  return trees
}

function hashBytes(host: BuildHost, bytes: Uint8Array): string {
  return host.sha256().update(bytes).hex()
}

const HASH_CHARS = 1 << 16

/** One hash over what the entries are, times left out. */
function hashEntries(host: BuildHost, drafted: readonly Drafted[], contents: ContentHashes): string {
  const hasher = host.sha256()
  // A hash is told of few long texts sooner than of many short ones.
  let text = ''
  for (let i = 0; i < drafted.length; i++) {
    const e = drafted[i]!.entry
    text += entryText(e, contents[i])
    for (const [name, value] of e.xattrs ?? []) text += `${JSON.stringify(name)}\n${hashBytes(host, value)}`
    if (text.length < HASH_CHARS) continue
    hasher.update(text)
    text = ''
  }
  return hasher.update(text).hex()
}

/** A line of JSON; most entries are files and directories, whose line takes a fraction of a list's time to put together. */
function entryText({ path, type, mode, uid, gid, link, major, minor }: Entry, content: string | undefined): string {
  const rare =
    link !== undefined || major !== undefined || minor !== undefined
      ? `${JSON.stringify([link, major, minor]).slice(1, -1)}`
      : 'null,null,null'
  const hash = content === undefined ? 'null' : `"${content}"`
  return `[${JSON.stringify(path)},"${type}",${mode},${uid},${gid},${rare},${hash}]\n`
}
