import type { MkdirOp } from '../graph/vertex.js'
import type { BuildHost, FileTree, Layer } from '../seams.js'
import { LayerDraft } from './draft.js'
import { parseOwner } from './owner.js'
import { writeLayer } from './write-layer.js'

/** Layer of WORKDIR: the directory and its missing parents, mode 0755, owned by the image's user as in BuildKit. */
export async function mkdirLayer(
  host: BuildHost,
  op: MkdirOp,
  root: FileTree,
  { reuse, warn }: { reuse: boolean; warn: (text: string) => void },
): Promise<Layer> {
  const owner = op.user === '' ? { uid: 0, gid: 0 } : await parseOwner(op.user, root, warn)
  const draft = new LayerDraft(root, host.now())
  draft.mkdirAll(draft.resolve(op.path), owner)
  return (await writeLayer(host, draft.finish(), { reuse })).layer
}
