/** Layers packed for outputs: the same bytes whatever the pieces, unpacked by others, packed once. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { packGzip } from '../../src/engine/layers/gzip.js'
import type { NodeLayers } from '../../src/engine/layers/node-layers.js'
import { type PackDeps, packLayer, ZSTD_PACKAGE } from '../../src/engine/layers/pack.js'
import { rechunk } from '../../src/engine/layers/rechunk.js'
import type { Workshop } from '../../src/engine/layers/workshop.js'
import { packZstd } from '../../src/engine/zstd/zstd.js'
import { digestOf } from '../../src/oci/digest.js'
import { collectGarbage } from '../../src/store/gc.js'
import { removeCache } from '../../src/store/prune.js'
import { cacheUsage } from '../../src/store/usage.js'
import { nodeSha256 } from '../../src/util/hash.js'
import { REPO } from '../helpers/cli.js'
import { streamOf } from '../helpers/images.js'
import { requireProgram } from '../helpers/programs.js'
import { withStore } from '../helpers/store.js'

const WORKER = join(REPO, 'dist/zstd-worker.cjs')
const never = new AbortController().signal

/** Bytes that pack to about half: runs of text between noise that a seed makes. */
function sample(sizeBytes: number): Buffer {
  const out = Buffer.alloc(sizeBytes, 'some text that comes again and again; ')
  let x = 12345
  for (let i = 0; i < sizeBytes; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    if ((i >> 12) % 2) out[i] = x >>> 24
  }
  return out
}

async function all(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const out: Buffer[] = []
  for await (const chunk of chunks) out.push(Buffer.from(chunk))
  return Buffer.concat(out)
}

function unzstd(t: TestContext, bytes: Buffer): Buffer | undefined {
  if (!requireProgram(t, 'zstd')) return undefined
  const ran = spawnSync('zstd', ['-dc'], { input: bytes, maxBuffer: 1 << 28 })
  assert.equal(ran.status, 0, String(ran.stderr))
  return ran.stdout
}

test('rechunk() gives the same pieces whatever it is given', async () => {
  const bytes = sample(100_001)
  for (const size of [1, 7, 4096, 99_999, 1 << 20]) {
    const pieces: number[] = []
    const joined: Buffer[] = []
    for await (const piece of rechunk(streamOf(bytes, size), 4096)) {
      pieces.push(piece.length)
      joined.push(Buffer.from(piece))
    }
    assert.deepEqual(new Set(pieces.slice(0, -1)), new Set([4096]))
    assert.ok(Buffer.concat(joined).equals(bytes))
  }
})

for (const size of [0, 1, 131_072, 3_000_001])
  test(`${size} bytes come back from gzip and zstd`, async (t) => {
    const bytes = sample(size)
    const pieces = () => rechunk(streamOf(bytes, 50_000), 1 << 17)
    for (const level of [0, 1, 6, 9]) {
      const packed = await all(packGzip(pieces(), level))
      assert.deepEqual([...packed.subarray(0, 8)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0], 'no name, no time')
      assert.equal(packed[9], 255, 'of no system')
      assert.ok(gunzipSync(packed).equals(bytes))
    }
    for (const level of [1, 3, 19]) {
      const packed = await all(packZstd(WORKER, pieces(), level))
      const unpacked = unzstd(t, packed)
      if (unpacked) assert.ok(unpacked.equals(bytes), `level ${level}`)
      assert.ok(packed.length < size * 0.7 || size < 1000)
    }
  })

test('the highest levels of zstd pack frames of a size that memory has room for', async (t) => {
  for (const size of [0, 5, 4 << 20, 9 << 20]) {
    const bytes = Buffer.alloc(size, 'again and ')
    const packed = await all(packZstd(WORKER, streamOf(bytes, 300_000), 22))
    const frames = packed.toString('latin1').split('\x28\xb5\x2f\xfd').length - 1
    assert.equal(frames, Math.max(1, Math.ceil(size / (4 << 20))))
    const unpacked = unzstd(t, packed)
    if (unpacked) assert.ok(unpacked.equals(bytes), `${size} bytes`)
  }
})

test('a source that fails is what packing fails with, and nothing hangs', async () => {
  const failing = async function* () {
    yield sample(200_000)
    throw new Error('the source broke')
  }
  await assert.rejects(all(packGzip(failing(), 6)), /the source broke/)
  await assert.rejects(all(packZstd(WORKER, failing(), 3)), /the source broke/)
  for await (const chunk of packZstd(WORKER, streamOf(sample(3_000_000)), 3)) {
    assert.ok(chunk)
    break
  }
})

function layerDeps(t: TestContext, tar: Buffer) {
  const { store, lease } = withStore(t)
  const opened: string[] = []
  const layers = {
    async *openTar(diffID: string) {
      opened.push(diffID)
      yield* streamOf(tar, 1000)
    },
  } as unknown as NodeLayers
  const deps: PackDeps = { shop: { store, lease } as Workshop, layers, env: { TSBOX_DIST: join(REPO, 'dist') } }
  return { deps, opened, store, lease, diffID: digestOf(nodeSha256, tar) }
}

test('a layer is packed once for each way, until the build cache is emptied', async (t) => {
  const tar = sample(500_000)
  const { deps, opened, store, lease, diffID } = layerDeps(t, tar)
  const ways = [
    { kind: 'gzip', level: 6 },
    { kind: 'gzip', level: 1 },
    { kind: 'zstd', level: 3 },
  ] as const
  const blobs = []
  for (const way of ways) blobs.push(await packLayer(deps, diffID, way, never))
  assert.equal(new Set(blobs.map((b) => b.digest)).size, 3)
  assert.deepEqual(
    blobs.map((b) => b.mediaType.split('+')[1]),
    ['gzip', 'gzip', 'zstd'],
  )
  for (const [i, way] of ways.entries()) assert.deepEqual(await packLayer(deps, diffID, way, never), blobs[i])
  assert.equal(opened.length, 3)
  assert.ok(gunzipSync(readFileSync(store.blobs.path(blobs[0]!.digest))).equals(tar))

  const later = store.lease()
  later.hold('layer', diffID)
  lease.close()
  await collectGarbage(store, later, { dropCache: false })
  for (const { digest, sizeBytes } of blobs) assert.ok(store.blobs.has(digest, sizeBytes))
  const { deleted } = await collectGarbage(store, later, { dropCache: true })
  for (const { digest } of blobs) assert.ok((deleted as string[]).includes(digest))
  later.close()
})

test('packed layers are listed with the build cache, and pruned with it', async (t) => {
  const { deps, store, lease, diffID } = layerDeps(t, sample(500_000))
  const blob = await packLayer(deps, diffID, { kind: 'gzip', level: 9 }, never)
  const only = () =>
    cacheUsage(store).map(({ sizeBytes, createdMs: _, usedMs: __, ...fields }) => ({ ...fields, sizeBytes }))
  const [held] = only()
  assert.equal(held!.inUse, true)
  lease.close()
  const later = store.lease()
  t.after(() => later.close())
  const [usage] = only()
  assert.deepEqual(usage, {
    ...{ id: `packed-${diffID.slice(7)}`, type: 'regular', mutable: false, inUse: false, shared: false },
    ...{ description: 'layer packed for outputs (gzip 9)', sizeBytes: usage!.sizeBytes },
  })
  assert.ok(usage!.sizeBytes > blob.sizeBytes)
  const gone = await removeCache(store, later, cacheUsage(store), undefined)
  assert.ok((gone.deleted as string[]).includes(blob.digest))
  assert.ok(gone.reclaimedBytes >= blob.sizeBytes)
  assert.deepEqual(cacheUsage(store), [])
})

test('a tar that is not the layer any more is not packed', async (t) => {
  const { deps, store, diffID } = layerDeps(t, sample(1000))
  const other = diffID.replace(/.$/, (c) => (c === '0' ? '1' : '0'))
  await assert.rejects(packLayer(deps, other, { kind: 'gzip', level: 6 }, never), { code: 'E_BLOB_CORRUPT' })
  assert.equal(store.layers.packed(other, 'gzip-6'), undefined)
  const stopped = AbortSignal.abort(new Error('stopped'))
  await assert.rejects(packLayer(deps, diffID, { kind: 'zstd', level: 3 }, stopped), /stopped/)
})

test('the zstd whose bytes are cached is the one that is installed', () => {
  const { devDependencies } = JSON.parse(readFileSync(join(REPO, 'package.json'), 'utf8'))
  assert.equal(devDependencies['@hpcc-js/wasm-zstd'], ZSTD_PACKAGE)
})
