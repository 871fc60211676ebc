import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeManifest } from '../../src/oci/manifest.js'
import { MEDIA } from '../../src/oci/media-type.js'
import { collectGarbage } from '../../src/store/gc.js'
import type { Lease } from '../../src/store/lease.js'
import { StampTable } from '../../src/store/stamps.js'
import { Store } from '../../src/store/store.js'
import { diskUsage } from '../../src/util/remove-tree.js'
import { putLayer, withStore } from '../helpers/store.js'
import { tempDir } from '../helpers/temp.js'

/** An image of one layer, tagged; what it consists of is pinned by `lease`. */
function putImage(store: Store, lease: Lease, name: string | undefined, content: string) {
  const { diffID, sizeBytes } = putLayer(store, lease, [{ path: 'f', content }])
  const config = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [diffID] } }
  const c = store.blobs.put(Buffer.from(JSON.stringify(config)), lease)
  const bytes = encodeManifest({ mediaType: MEDIA.config, digest: c.digest, size: c.sizeBytes }, [
    { mediaType: MEDIA.layer, digest: diffID, size: sizeBytes },
  ])
  const m = store.blobs.put(bytes, lease)
  const target = { manifest: { digest: m.digest, size: m.sizeBytes, mediaType: MEDIA.manifest }, config: c.digest }
  store.images.set(name, target, lease, 1)
  return { diffID, manifest: m.digest, config: c.digest }
}

function putSnapshot(store: Store, lease: Lease, diffID?: string): string {
  const draft = store.snapshots.allocate('subid', lease)
  mkdirSync(join(draft.dir, 'fs'))
  writeFileSync(join(draft.dir, 'fs/file'), 'x'.repeat(10_000))
  return store.snapshots.publish(draft, lease, { created: 1, diffID })
}

// The other processes of these tests are this file again, told what to do.
const task = process.env.TSBOX_TEST_TASK
if (task) runTask(task)
else defineTests()

function runTask(text: string): void {
  const [what, root, seed] = JSON.parse(text) as [string, string, number]
  const store = Store.open(root)
  if (what === 'hold') {
    const lease = store.lease()
    putImage(store, lease, undefined, 'held')
    for (const image of store.images.list()) store.images.remove(image)
    process.stdout.write('ready\n')
    setInterval(() => {}, 1000)
  } else {
    // Churns until killed.
    for (let i = 0; ; i++) {
      const lease = store.lease()
      const image = putImage(store, lease, `docker.io/library/x:${i % 3}`, `${seed % 2} ${i % 50}`)
      putSnapshot(store, lease, image.diffID)
      store.cache.put(`k${i % 10}`, { key: `k${i % 10}`, layer: { diffID: image.diffID }, created: 1 }, lease)
      if (i % 4 === 0) void collectGarbage(store, lease, { dropCache: false })
      lease.close()
      if (i === 0) process.stdout.write('ready\n')
    }
  }
}

function startTask(...args: [what: string, root: string, seed: number]) {
  const env = { ...process.env, TSBOX_TEST_TASK: JSON.stringify(args), NODE_TEST_CONTEXT: undefined }
  return spawn(process.execPath, [process.argv[1]!], { env, stdio: ['ignore', 'pipe', 'inherit'] })
}

function defineTests(): void {
  test('what an image, a container, a cache record or a lease reaches stays', async (t) => {
    const { store, lease, root } = withStore(t)
    const work = store.lease()
    const tagged = putImage(store, work, 'docker.io/library/x:1', 'tagged')
    const used = putImage(store, work, undefined, 'container')
    const cached = putLayer(store, work, [{ path: 'cached', content: 'c' }])
    const loose = putImage(store, work, undefined, 'loose')
    const snapshots = {
      ofImage: putSnapshot(store, work, tagged.diffID),
      ofContainer: putSnapshot(store, work),
      ofCache: putSnapshot(store, work),
      loose: putSnapshot(store, work),
      pinned: putSnapshot(store, work),
    }
    store.cache.put('layer', { key: 'layer', layer: { diffID: cached.diffID }, created: 1 }, work)
    store.cache.put(
      'snap',
      { key: 'snap', layer: { snapshot: snapshots.ofCache, snapshotMode: 'subid' }, created: 1 },
      work,
    )
    store.cache.put(
      'dead',
      { key: 'dead', layer: { snapshot: 'f'.repeat(16), snapshotMode: 'subid' }, created: 1 },
      work,
    )
    const record = {
      id: 'c1',
      manifest: used.manifest,
      layers: [{ snapshot: snapshots.ofContainer, snapshotMode: 'subid' }],
    }
    store.containers.put(record, work)
    for (const image of store.images.list()) if (!image.name) store.images.remove(image)
    assert.ok(lease.pin('snapshot', `subid/${snapshots.pinned}`, () => true))
    work.close()
    const result = await collectGarbage(store, lease, { dropCache: false })
    for (const id of [tagged, used].flatMap((i) => [i.manifest, i.config, i.diffID])) assert.ok(store.blobs.has(id))
    assert.ok(store.blobs.has(cached.diffID))
    assert.deepEqual(result.deleted.sort(), [loose.manifest, loose.config, loose.diffID].sort())
    const left = store.snapshots.list().map((s) => s.id)
    assert.deepEqual(
      left.sort(),
      [snapshots.ofImage, snapshots.ofContainer, snapshots.ofCache, snapshots.pinned].sort(),
    )
    assert.equal(store.cache.get('dead'), undefined)
    assert.ok(store.cache.get('snap'))
    assert.ok(result.reclaimedBytes > 10_000)
    assert.deepEqual(result.left, [])
    assert.ok(existsSync(join(root, 'blobs')))
  })

  test('after everything is dropped the store is as small as a new one', async (t) => {
    const { store, root } = withStore(t)
    const lease = store.lease()
    await collectGarbage(store, lease, { dropCache: true })
    lease.close()
    const before = diskUsage(root)
    const work = store.lease()
    store.snapshots.checkMap('subid', {}, work)
    const image = putImage(store, work, 'docker.io/library/x:1', 'x')
    putSnapshot(store, work, image.diffID)
    store.cache.put('k', { key: 'k', layer: { diffID: image.diffID }, created: 1 }, work)
    const index = store.sums.open('/c', work)
    const stamps = new StampTable()
    index.remember('f', stamps, stamps.add({ dev: 1, ino: 1, size: 1, mtimeMs: 1, ctimeMs: 1 }), 'a'.repeat(64), 1e6)
    index.save()
    const mount = await store.mounts.acquire({ id: 'm', sharing: 'shared', mode: 'subid' })
    mkdirSync(mount.dir)
    mount.release()
    work.close()
    for (const record of store.images.list()) store.images.remove(record)
    const last = store.lease()
    await collectGarbage(store, last, { dropCache: true })
    last.close()
    assert.equal(diskUsage(root), before)
  })

  test('a live process keeps what it holds, a killed one does not', async (t) => {
    const { store, lease, root } = withStore(t)
    const child = startTask('hold', root, 0)
    t.after(() => child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    const count = () => diskUsage(join(root, 'blobs'))
    assert.ok(count() > 0)
    assert.deepEqual((await collectGarbage(store, lease, { dropCache: true })).deleted, [])
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
    assert.equal((await collectGarbage(store, lease, { dropCache: true })).deleted.length, 3)
    assert.ok(!existsSync(join(root, 'blobs')))
  })

  test('processes that churn and are killed leave a store that works', async (t) => {
    const root = join(tempDir(t), 'store')
    const store = Store.open(root)
    const first = store.lease()
    await collectGarbage(store, first, { dropCache: true })
    first.close()
    const before = diskUsage(root)
    const seed = Date.now() % 100_000
    t.diagnostic(`seed ${seed}`)
    let random = seed
    const next = (below: number) => {
      random = (random * 1103515245 + 12345) % 2147483648
      return random % below
    }
    for (let round = 0; round < 4; round++) {
      const children = [0, 1, 2].map((i) => startTask('churn', root, i))
      await Promise.all(children.map((c) => once(c.stdout, 'data')))
      await new Promise((resolve) => setTimeout(resolve, 20 + next(200)))
      const exits = children.map((c) => once(c, 'exit'))
      for (const child of children) child.kill('SIGKILL')
      await Promise.all(exits)
      for (const image of store.images.list()) {
        const manifest = JSON.parse(store.blobs.read(image.manifest.digest).toString())
        const config = JSON.parse(store.blobs.read(manifest.config.digest).toString())
        for (const diffID of config.rootfs.diff_ids) {
          assert.ok(store.hasLayer(diffID), `${image.name} has its layers`)
          assert.equal(store.blobs.read(diffID).length, manifest.layers[0].size)
        }
      }
    }
    for (const image of store.images.list()) store.images.remove(image)
    const last = store.lease()
    const result = await collectGarbage(store, last, { dropCache: true })
    last.close()
    assert.deepEqual(result.left, [])
    assert.equal(diskUsage(root), before)
  })
}
