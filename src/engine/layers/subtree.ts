import { resolveInTree } from '../../build/ops/resolve.js'
import type { FileTree } from '../../build/seams.js'
import type { EntryWithContent } from '../../layer/entry.js'

/**
 * A directory of a tree and all below it, as entries below `as`; nothing where there is no directory. Links in the path
 * are followed inside the tree.
 */
export async function* subtree(tree: FileTree, target: string, as: string): AsyncGenerator<EntryWithContent> {
  const root = resolveInTree(tree, target)
  if (tree.lstat(root)?.type === 'dir') yield* visit(tree, root, as)
}

async function* visit(tree: FileTree, path: string, as: string): AsyncGenerator<EntryWithContent> {
  const found = tree.lstat(path)
  if (!found) return
  const entry = { ...found, path: as }
  yield { entry, content: entry.type === 'file' ? tree.stream(path) : undefined }
  for (const name of tree.readdir(path)) yield* visit(tree, path === '' ? name : `${path}/${name}`, `${as}/${name}`)
}
