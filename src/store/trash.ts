import { diskUsage, removeOwnTree } from '../util/remove-tree.js'

/** Deletes trees that this user may not delete, since files of mapped users are in them: the helper does it. */
export type RemoveTrees = (paths: readonly string[]) => Promise<void>

/**
 * Deletes what was moved away from its place: as this user first, and only what is left then by `removeTrees`, so that
 * the helper is not started for nothing.
 *
 * @returns bytes on disk that became free, as far as the trees could be read; and the trees that are still there
 */
export async function emptyTrash(
  paths: readonly string[],
  removeTrees: RemoveTrees | undefined,
): Promise<{ reclaimedBytes: number; left: string[] }> {
  const closed: string[] = []
  let reclaimedBytes = 0
  for (const path of paths) {
    reclaimedBytes += diskUsage(path)
    if (!removeOwnTree(path)) closed.push(path)
  }
  if (closed.length === 0) return { reclaimedBytes, left: [] }
  await removeTrees?.(closed)
  return { reclaimedBytes, left: closed.filter((path) => !removeOwnTree(path)) }
}
