import type { CopyOp } from '../graph/vertex.js'
import type { BuildHost, FileTree } from '../seams.js'
import { draftSources, EMPTY_ROOT } from './copy.js'
import { LayerDraft } from './draft.js'
import { hashDrafted } from './write-layer.js'

/**
 * What a COPY or ADD takes of its sources, whatever it is copied onto: names, modes and contents. Archives count as the
 * files that they are, and owners as they are written.
 *
 * @param trees as for `copyLayer`
 * @param read whether contents may be read that are not known
 * @returns hex SHA-256; undefined where something would have to be read
 * @throws TsboxError where nothing could be copied
 */
export async function hashSources(
  host: BuildHost,
  op: CopyOp,
  trees: readonly FileTree[],
  read: boolean,
): Promise<string | undefined> {
  const draft = new LayerDraft(EMPTY_ROOT, 0)
  await draftSources(host, draft, { ...op, unpack: 'none' }, trees, undefined)
  return hashDrafted(host, draft.finish(), read)
}
