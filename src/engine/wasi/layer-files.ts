import type { Layer } from '../../build/seams.js'
import type { NodeLayers } from '../layers/node-layers.js'
import { once, type Workshop } from '../layers/workshop.js'
import type { LayerFiles } from './lower.js'

/**
 * Makes the function that a WASI step gets its layers' files from: each layer becomes an uncompressed tar blob with its
 * table of contents, once per process, and stays as long as the lease.
 */
export function layerFileSource(
  shop: Workshop,
  layers: NodeLayers,
): (stack: readonly Layer[]) => Promise<LayerFiles[]> {
  const made = new Map<string, Promise<LayerFiles>>()
  return (stack) =>
    Promise.all(
      stack.map(async (layer) => {
        const { diffID } = await layers.seal(layer, undefined)
        return once(made, diffID, () => writeFiles(shop, layers, diffID))
      }),
    )
}

async function writeFiles({ store, lease }: Workshop, layers: NodeLayers, diffID: string): Promise<LayerFiles> {
  if (!store.blobs.has(diffID)) {
    const writer = store.blobs.writer(lease)
    try {
      for await (const chunk of layers.openTar(diffID)) writer.write(chunk)
      writer.commit()
    } finally {
      writer.abort()
    }
  }
  await store.layers.ensureToc(diffID, lease)
  return { tarPath: store.blobs.path(diffID), tocPath: store.layers.tocPath(diffID) }
}
