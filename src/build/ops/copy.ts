import { TsboxError } from '../../base/error.js'
import { baseName, dirName } from '../../base/path.js'
import { redactUrl } from '../../base/url.js'
import { IgnoreMatcher } from '../context/ignore.js'
import { parseChmod } from '../dockerfile/chmod.js'
import type { CopyOp } from '../graph/vertex.js'
import type { StartTransfer } from '../progress/transfer.js'
import type { BuildHost, FileTree, Layer } from '../seams.js'
import { type CopyStyle, draftCopy, notFound, type Select } from './copy-tree.js'
import { LayerDraft, type Owner } from './draft.js'
import { parseOwner } from './owner.js'
import { type Lookup, resolveInTree } from './resolve.js'
import { draftArchive } from './unpack.js'
import { expandWildcards, hasWildcard } from './wildcard.js'
import { type LayerOptions, writeLayer } from './write-layer.js'

const ROOT: Owner = { uid: 0, gid: 0 }

/**
 * Executes COPY and ADD: drafts what goes where from metadata alone, then writes it as a layer.
 *
 * @param root what is copied onto; only paths and owners are read of it
 * @param trees what is copied from: input n of the vertex is `trees[n - 1]`
 */
export async function copyLayer(
  host: BuildHost,
  op: CopyOp,
  root: FileTree,
  trees: readonly FileTree[],
  options: LayerOptions & { warn?: (text: string) => void },
): Promise<{ layer: Layer; contentHash: string }> {
  const draft = new LayerDraft(op.link ? EMPTY_ROOT : root, host.now())
  const owner = op.chown === undefined ? undefined : await parseOwner(op.chown, root, options.warn ?? (() => {}))
  await draftSources(host, draft, op, trees, owner, options.transfer)
  return writeLayer(host, draft.finish(), options)
}

/** Drafts all sources. @param owner of what is copied and of directories on its way; undefined: the source's own, root */
export async function draftSources(
  host: BuildHost,
  draft: LayerDraft,
  op: CopyOp,
  trees: readonly FileTree[],
  owner: Owner | undefined,
  transfer?: StartTransfer,
): Promise<void> {
  const mode = op.chmod === undefined ? undefined : parseChmod(op.chmod)
  const style: CopyStyle = { owner, mode, parentOwner: owner ?? ROOT }
  for (const source of op.sources) {
    if (source.from === 'inline') putInline(draft, op, source, style, host.now())
    else if (source.from === 'tree') await copySource(host, draft, op, trees[source.input - 1]!, source.path, style)
    else await addRemote(host, draft, op, source, style, transfer)
  }
}

/** ADD of a URL: a file like any other, but extracted only where that is asked for. */
async function addRemote(
  host: BuildHost,
  draft: LayerDraft,
  op: CopyOp,
  source: { url: string; checksum?: string | undefined },
  style: CopyStyle,
  transfer: StartTransfer | undefined,
): Promise<void> {
  if (!host.fetch)
    throw new TsboxError('E_UNSUPPORTED', `add: there is no network to fetch from: "${redactUrl(source.url)}"`)
  const { layer, path, name } = await host.fetch(source.url, source.checksum, transfer)
  const tree = await host.layers.tree([layer])
  if (op.unpack === 'all' && (await unpackInto(host, draft, op, tree, path, style))) return
  draftCopy(draft, tree, name, path, op.dest, style)
}

/** What `--link` copies onto: a root with nothing in it. */
export const EMPTY_ROOT: Lookup = {
  lstat: (path) => (path === '' ? { path, type: 'dir', mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 0 } : undefined),
}

function putInline(
  draft: LayerDraft,
  op: CopyOp,
  source: { name: string; content: string },
  style: CopyStyle,
  now: number,
): void {
  const bytes = new TextEncoder().encode(source.content)
  draft.mkdirAll(draft.resolve(op.dest.endsWith('/') ? op.dest : dirName(op.dest)), style.parentOwner)
  let target = draft.resolve(op.dest)
  if (draft.lstat(target)?.type === 'dir') target = target === '' ? source.name : `${target}/${source.name}`
  const mode = style.mode ? style.mode(0o644, false) : 0o644
  draft.put({
    entry: { path: target, type: 'file', mode, ...style.parentOwner, mtime: now, size: bytes.length },
    bytes,
  })
}

async function copySource(
  host: BuildHost,
  draft: LayerDraft,
  op: CopyOp,
  tree: FileTree,
  path: string,
  style: CopyStyle,
): Promise<void> {
  if (op.parents) return copyParents(draft, op, tree, path, style)
  const exclude = op.exclude.length ? excluding(op.exclude) : undefined
  const matches = expandWildcards(tree, path)
  for (const match of matches) {
    const real = resolveInTree(tree, match)
    const entry = tree.lstat(real)
    if (!entry) throw notFound(path)
    if (exclude && entry.type !== 'dir' && isWild(path) && exclude(baseName(match), false) === 'leave') continue
    if (op.unpack !== 'none' && entry.type === 'file' && (await unpackInto(host, draft, op, tree, real, style)))
      continue
    draftCopy(draft, tree, match, real, op.dest, { ...style, select: exclude })
  }
}

function isWild(path: string): boolean {
  return path.split('/').some(hasWildcard)
}

/** ADD of a local archive: its tree goes into the destination with the owners that it has itself. */
async function unpackInto(
  host: BuildHost,
  draft: LayerDraft,
  op: CopyOp,
  tree: FileTree,
  real: string,
  style: CopyStyle,
): Promise<boolean> {
  const archive = await host.layers.importArchive(tree.stream(real))
  if (!archive) return false
  const contents = await host.layers.tree([archive.layer])
  draftArchive(draft, archive.entries, contents, draft.resolve(op.dest), style.parentOwner)
  return true
}

/** `--parents`: the path below `/./`, or below the root, is kept. */
function copyParents(draft: LayerDraft, op: CopyOp, tree: FileTree, path: string, style: CopyStyle): void {
  const rooted = `/${path.replace(/^(\.?\/)+/, '')}`
  const pivot = rooted.indexOf('/./')
  const base = pivot < 0 ? '' : rooted.slice(1, pivot)
  const pattern = pivot < 0 ? rooted.slice(1) : rooted.slice(pivot + 3)
  const select = including(pattern.replace(/\/+$/, ''), op.exclude)
  const dest = op.dest.endsWith('/') ? op.dest : `${op.dest}/`
  draftCopy(draft, tree, base, resolveInTree(tree, base), dest, { ...style, select })
}

function excluding(patterns: readonly string[]): Select {
  const matcher = new IgnoreMatcher(patterns)
  return (path, isDir) => {
    if (!matcher.matches(path)) return 'take'
    return isDir && matcher.mayUnmatchBelow(path) ? 'descend' : 'leave'
  }
}

function including(pattern: string, exclude: readonly string[]): Select {
  const included = new IgnoreMatcher([pattern])
  const excluded = excluding(exclude)
  return (path, isDir) => {
    if (!included.matches(path)) return isDir ? 'descend' : 'leave'
    return exclude.length ? excluded(path, isDir) : 'take'
  }
}
