import { baseName, dirName } from '../../base/path.js'
import type { Entry } from '../../layer/entry.js'
import type { FileTree } from '../seams.js'
import type { LayerDraft, Owner } from './draft.js'
import { resolveInTree } from './resolve.js'

/**
 * Drafts the entries of an archive below `dest`, as a tar extracted there in a chroot would lie: links on the way are
 * followed but don't lead out of `dest`, a directory keeps what is in it, anything else replaces and is replaced.
 * Owners are the archive's; of extended attributes, as in BuildKit's layers, only capabilities are kept.
 *
 * @param contents the archive's files, each under the path of its entry
 * @param dest relative to the root, without links
 */
export function draftArchive(
  draft: LayerDraft,
  entries: readonly Entry[],
  contents: FileTree,
  dest: string,
  parentOwner: Owner,
): void {
  draft.mkdirAll(dest, parentOwner)
  const below = (path: string) => (path === '' ? dest : dest === '' ? path : `${dest}/${path}`)
  const inside = { lstat: (path: string) => draft.lstat(below(path)) }
  /** Where each entry of the archive came to lie, for hard links to it. */
  const placed = new Map<string, { entry: Entry; content: string }>()
  for (const entry of entries) {
    if (entry.path === '') continue
    const parent = resolveInTree(inside, dirName(entry.path))
    const target = below(parent === '' ? baseName(entry.path) : `${parent}/${baseName(entry.path)}`)
    draft.mkdirAll(dirName(target), { uid: 0, gid: 0 })
    const source = entry.type === 'hardlink' ? placed.get(entry.link ?? '') : { entry, content: entry.path }
    if (!source) continue
    placed.set(entry.path, source)
    const there = draft.lstat(target)
    if (there && (there.type === 'dir') !== (source.entry.type === 'dir')) draft.drop(target)
    const xattrs = source.entry.xattrs?.filter(([name]) => name === 'security.capability')
    const drafted: Entry = { ...source.entry, path: target, xattrs: xattrs?.length ? xattrs : undefined }
    if (drafted.type === 'file') draft.put({ entry: drafted, tree: contents, path: source.content })
    else draft.put({ entry: drafted })
  }
}
