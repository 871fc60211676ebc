import type { CopyOp } from '../graph/vertex.js'
import { copyLayer } from '../ops/copy.js'
import type { BuildHost, FileTree } from '../seams.js'

const ALL: CopyOp = {
  kind: 'copy',
  sources: [{ from: 'tree', input: 1, path: '/' }],
  dest: '/',
  exclude: [],
  parents: false,
  link: true,
  unpack: 'none',
}

/** All of a context as one layer: a root of files, for bind mounts and bases. */
export async function contextLayer(host: BuildHost, tree: FileTree, signal: AbortSignal): ReturnType<typeof copyLayer> {
  return copyLayer(host, ALL, await host.layers.tree([]), [tree], { reuse: true, signal })
}
