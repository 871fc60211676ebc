import { TsboxError } from '../../base/error.js'
import type { ExportedImage } from '../../build/export/image.js'
import { parseReference } from '../../oci/reference.js'
import type { ImageRecord } from '../../store/images.js'
import type { BuildOutput, BuildRequest } from '../api.js'
import { type SaveDeps, type Wanted, writeArchive } from '../archive/save.js'
import { readImage } from '../images/stored-image.js'
import type { NodeLayers } from '../layers/node-layers.js'
import type { Workshop } from '../layers/workshop.js'
import { writeFolder } from './folder.js'
import { writeLayout } from './layout.js'
import { openSink } from './sink.js'
import { writeTree } from './tree-tar.js'

/** Writes one output of a finished build. */
export async function writeOutput(
  { shop, layers }: { shop: Workshop; layers: NodeLayers },
  request: BuildRequest,
  output: BuildOutput,
  image: ExportedImage,
): Promise<void> {
  const { signal, stdout } = request
  const { store, lease } = shop
  const { type, dest = '-' } = output
  if (type === 'local' || type === 'tar') {
    const tree = await layers.tree(image.configJson.rootfs.diff_ids.map((diffID) => ({ diffID })))
    if (type === 'local') return writeFolder(tree, dest, signal)
    return openSink(dest, stdout, signal, async (sink) => writeTree(tree, sink))
  }
  const saving: SaveDeps = { store, lease, openTar: (diffID) => layers.openTar(diffID) }
  const names = request.tags.length ? request.tags : output.names
  const record = { manifest: image.manifest, config: image.config.digest, tagged: shop.now() } as ImageRecord
  const wanted: Wanted = { image: readImage(store, lease, record), names: names.map((n) => parseReference(n)) }
  const docker = type === 'docker'
  if (output.tar) return openSink(dest, stdout, signal, (sink) => writeArchive(saving, [wanted], { docker }, sink))
  if (dest === '-') throw new TsboxError('E_OUTPUT', `write ${type} output: a folder can't go to standard output`)
  return writeLayout(saving, [wanted], { docker }, dest, signal)
}
