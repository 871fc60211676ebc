import type { TestContext } from 'node:test'
import type { ImageDeps } from '../../src/engine/images/deps.js'
import { NodeImages } from '../../src/engine/images/node-images.js'
import { withStore } from './store.js'

/** Images on a store of their own; no helper: layers that are only snapshots come from `tars`. */
export function withImages(t: TestContext, env: Record<string, string> = {}) {
  const { store, lease, root } = withStore(t)
  const tars = new Map<string, Uint8Array>()
  const noHelper = async (): Promise<never> => {
    throw new Error('the helper is not needed here')
  }
  const now = () => 1_700_000_000
  const deps: ImageDeps = {
    store,
    lease,
    shop: { store, lease, mode: noHelper, agent: noHelper, agentFor: noHelper, warn: () => {}, now },
    platform: { os: 'linux', architecture: 'amd64' },
    env,
    now,
    async *openTar(diffID) {
      const tar = tars.get(diffID)
      if (!tar) throw new Error(`no tar for ${diffID}`)
      yield tar
    },
    removeTrees: noHelper,
  }
  return { images: new NodeImages(deps), deps, store, lease, root, tars }
}

/** All of an archive that `save` writes. */
export async function saved(images: NodeImages, ...references: string[]): Promise<Buffer> {
  const chunks: Buffer[] = []
  await images.save(references, (chunk) => {
    chunks.push(Buffer.from(chunk))
  })
  return Buffer.concat(chunks)
}

/** Bytes as a stream. */
export async function* streamOf(bytes: Uint8Array, chunkSize = 50_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkSize) yield bytes.subarray(at, at + chunkSize)
}
