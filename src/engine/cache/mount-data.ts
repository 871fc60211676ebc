import { canonicalJson } from '../../base/hash.js'
import type { CachedMount } from '../../build/export/cache-config.js'
import type { Layer } from '../../build/seams.js'
import type { Entry, EntrySink, EntrySource, EntryWithContent } from '../../layer/entry.js'
import { TarEncoder } from '../../layer/tar-encoder.js'
import { readTar } from '../../layer/tar-reader.js'
import type { Descriptor } from '../../oci/manifest.js'
import type { AgentApi } from '../../rootless/agent.js'
import { decompress } from '../../store/decompress.js'
import { sha256Hex } from '../../util/hash.js'
import type { Workshop } from '../layers/workshop.js'
import { damaged, verifiedBlob } from './read-blob.js'
import type { CacheSource } from './transport.js'

/** What tells cache mounts apart. */
export interface MountIdentity {
  id: string
  mode: number
  uid: number
  gid: number
  /** What the mount was filled with at first. */
  seed?: { path: string; layers: readonly Layer[] } | undefined
}

/** Names a cache mount on every machine. @param seal gives the digest of a layer */
export async function mountKey(m: MountIdentity, seal: (layer: Layer) => Promise<string>): Promise<string> {
  const source = m.seed ? [m.seed.path, ...(await Promise.all(m.seed.layers.map(seal)))] : null
  return sha256Hex(canonicalJson({ mount: [m.id, m.mode, m.uid, m.gid, source] }))
}

/** What a cache mount held, verified and on this machine's disk. */
export interface CachedMountData {
  /** The folder itself, its path empty. */
  root: Entry
  /** What is in it. */
  entries(): EntrySource
  close(): void
}

/** Fetches what a mount held. @throws TsboxError E_CACHE_INVALID, E_DISK_FULL */
export async function stageMount(
  { store, lease }: Workshop,
  source: CacheSource,
  mount: CachedMount & { blob: Descriptor },
): Promise<CachedMountData> {
  const writer = store.blobs.writer(lease)
  try {
    for await (const chunk of decompress(verifiedBlob(source, mount.blob))) {
      if (writer.sizeBytes + chunk.length > mount.tarSize) throw damaged(mount.blob, 'it is longer than it should be')
      writer.write(chunk)
    }
    const { digest } = writer.end()
    if (digest !== mount.diffID) throw damaged(mount.blob, 'its content has another digest')
  } catch (err) {
    writer.abort()
    throw err
  }
  const { mode, uid, gid } = mount
  return {
    root: { path: '', type: 'dir', mode, uid, gid, mtime: 0, size: 0 },
    entries: () => tarEntries(writer.tempPath),
    close: () => writer.abort(),
  }
}

function* tarEntries(path: string): Generator<EntryWithContent> {
  const { openSync, readSync, closeSync } = process.getBuiltinModule('node:fs')
  const fd = openSync(path, 'r')
  try {
    yield* readTar((buffer, position) => readSync(fd, buffer, 0, buffer.length, position))
  } finally {
    closeSync(fd)
  }
}

/** The folder of a cache mount itself, as its users see it. */
export async function mountRoot(agent: AgentApi, dataDir: string, name: string): Promise<Entry | undefined> {
  let root: Entry | undefined
  const sink: EntrySink = {
    entry: (e) => {
      if (e.path === name) root = e
    },
    data: () => {},
  }
  await agent.walk(dataDir, { content: false }, sink)
  return root
}

/** Writes what a cache mount holds as a tar, with the owners that its users see. */
export async function writeMountTar(agent: AgentApi, dir: string, write: (chunk: Uint8Array) => void): Promise<void> {
  const encoder = new TarEncoder(write)
  await agent.walk(dir, { content: true }, encoder)
  encoder.end()
}
