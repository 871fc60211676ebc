import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { LayerTree } from '../../src/layer/layer-tree.js'
import { MEDIA } from '../../src/oci/media-type.js'
import { type FileStamp, StampTable } from '../../src/store/stamps.js'
import { Store } from '../../src/store/store.js'
import type { SumIndex } from '../../src/store/sums.js'
import { sha256Hex } from '../../src/util/hash.js'
import { putLayer, withStore } from '../helpers/store.js'
import { tempDir } from '../helpers/temp.js'

test('opening and reading a store that is not there writes nothing', (t) => {
  const root = join(tempDir(t), 'none')
  const store = Store.open(root)
  assert.deepEqual(store.images.list(), [])
  assert.equal(store.cache.get('k'), undefined)
  assert.equal(store.layers.toc(`sha256:${'a'.repeat(64)}`, store.lease()), undefined)
  store.lease().close()
  assert.ok(!existsSync(root))
})

test('a store of a later version is refused', (t) => {
  const root = tempDir(t)
  writeFileSync(join(root, 'version'), '2\n')
  assert.throws(() => Store.open(root), { code: 'E_STORE_VERSION', hint: /update/ })
})

test('a store that can’t be made says so', (t) => {
  const dir = tempDir(t)
  writeFileSync(join(dir, 'file'), '')
  const store = Store.open(join(dir, 'file/store'))
  assert.throws(() => store.blobs.put(Buffer.from('x'), store.lease()), { code: 'E_STORE_UNWRITABLE', hint: /--root/ })
})

test('a blob written in pieces is there under its digest, once', (t) => {
  const { store, lease, root } = withStore(t)
  const writer = store.blobs.writer(lease)
  writer.write(Buffer.from('hello '))
  writer.write(Buffer.from('world'))
  const { digest, sizeBytes } = writer.commit()
  assert.equal(digest, 'sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9')
  assert.equal(sizeBytes, 11)
  assert.equal(store.blobs.read(digest).toString(), 'hello world')
  assert.deepEqual(store.blobs.put(Buffer.from('hello world'), lease), { digest, sizeBytes })
  writer.abort()
  assert.ok(store.blobs.has(digest, 11))
  assert.deepEqual(readdirSync(join(root, 'blobs/sha256')), [digest.slice(7)])
})

test('a blob that is not what was expected is not kept', (t) => {
  const { store, lease, root } = withStore(t)
  const write = () => {
    const writer = store.blobs.writer(lease)
    writer.write(Buffer.from('x'))
    return writer
  }
  assert.throws(() => write().commit({ digest: `sha256:${'0'.repeat(64)}` }), { code: 'E_DIGEST_MISMATCH' })
  assert.throws(() => write().commit({ sizeBytes: 2 }), { code: 'E_DIGEST_MISMATCH' })
  assert.ok(!existsSync(join(root, 'blobs')))
  assert.deepEqual(readdirSync(join(root, 'tmp', lease.name)), [])
})

test('a blob that a crash cut short is not there, and can be written again', (t) => {
  const { store, lease } = withStore(t)
  const { digest } = store.blobs.put(Buffer.from('0123456789'), lease)
  truncateSync(store.blobs.path(digest), 4)
  assert.ok(!store.blobs.has(digest, 10))
  assert.throws(() => store.blobs.read(digest), { code: 'E_BLOB_CORRUPT' })
  store.blobs.put(Buffer.from('0123456789'), lease)
  assert.equal(store.blobs.read(digest).toString(), '0123456789')
})

test('names that are no digests reach no file', (t) => {
  const { store } = withStore(t)
  assert.throws(() => store.blobs.path('sha256:../../x'), { code: 'E_DIGEST_INVALID' })
  assert.throws(() => store.snapshots.dir('subid', '../x'), { code: 'E_SNAPSHOT_INVALID' })
  assert.throws(() => store.snapshots.dir('..', 'a'.repeat(16)), { code: 'E_SNAPSHOT_INVALID' })
  assert.throws(() => store.cache.get('../x'), { code: 'E_CACHE_KEY' })
  assert.throws(() => store.containers.dir('../x'), { code: 'E_CONTAINER_INVALID' })
})

test('a layer that is written has its table of contents', (t) => {
  const { store, lease, root } = withStore(t)
  const { diffID, sizeBytes } = putLayer(store, lease, [{ path: 'd' }, { path: 'd/f', content: 'content' }])
  const again = Store.open(root)
  const toc = again.layers.toc(diffID, lease)
  assert.equal(toc?.tarSize, sizeBytes)
  const place = new LayerTree([toc!]).locate('d/f')!
  const reader = again.blobs.open(diffID)
  const buffer = Buffer.alloc(7)
  reader.readAt(buffer, place.offset)
  reader.close()
  assert.equal(buffer.toString(), 'content')
})

test('a table of contents that is lost or cut is made again', (t) => {
  const { store, lease, root } = withStore(t)
  const { diffID } = putLayer(store, lease, [{ path: 'f', content: 'x' }])
  truncateSync(store.layers.tocPath(diffID), 20)
  const toc = Store.open(root).layers.toc(diffID, lease)
  assert.equal(toc?.items[0]?.entry.path, 'f')
  assert.ok(statSync(store.layers.tocPath(diffID)).size > 20)
})

test('a compressed layer gets its table of contents when asked', async (t) => {
  const { store, lease } = withStore(t)
  const { diffID } = putLayer(store, lease, [{ path: 'f', content: 'x'.repeat(5000) }])
  const plain = store.blobs.read(diffID)
  const expected = store.layers.toc(diffID, lease)
  const other = withStore(t)
  const { digest, sizeBytes } = other.store.blobs.put(gzipSync(plain), other.lease)
  assert.equal(await other.store.layers.ensureToc(diffID, other.lease), undefined)
  other.store.layers.setBlob(diffID, { digest, sizeBytes, mediaType: MEDIA.layerGzip }, other.lease)
  assert.equal(other.store.layers.toc(diffID, other.lease), undefined)
  assert.deepEqual(await other.store.layers.ensureToc(diffID, other.lease), expected)
  assert.equal(other.store.layers.blob(diffID)?.digest, digest)
  assert.ok(other.store.hasLayer(diffID))
})

test('a snapshot appears whole, and leads from its diffID', (t) => {
  const { store, lease, root } = withStore(t)
  const draft = store.snapshots.allocate('subid', lease)
  mkdirSync(join(draft.dir, 'fs'))
  assert.deepEqual(store.snapshots.list(), [])
  const id = store.snapshots.publish(draft, lease, { created: 5 })
  assert.deepEqual(store.snapshots.list(), [{ mode: 'subid', id }])
  assert.ok(existsSync(store.snapshots.fsDir('subid', id)))
  assert.equal(store.snapshots.state('subid', id), 'trusted')
  const diffID = `sha256:${'d'.repeat(64)}`
  store.snapshots.setTar('subid', id, { diffID }, lease)
  assert.equal(store.snapshots.byDiffID('subid', diffID), id)
  assert.equal(store.snapshots.byDiffID('single', diffID), undefined)
  assert.equal(store.snapshots.meta('subid', id)?.diffID, diffID)
  const second = store.snapshots.allocate('subid', lease)
  store.snapshots.publish(second, lease, { created: 6 })
  store.snapshots.setTar('subid', second.id, { diffID }, lease)
  assert.equal(store.snapshots.byDiffID('subid', diffID), id, 'the first one stays')
  assert.ok(!existsSync(join(root, 'tmp', lease.name, 'snapshot-0')))
})

test('a snapshot of an earlier boot is verified or thrown away', (t) => {
  const { store, lease } = withStore(t)
  const make = (diffID?: string) =>
    store.snapshots.publish(store.snapshots.allocate('single', lease), lease, { created: 1, diffID })
  const age = (id: string) => {
    const path = `${store.snapshots.dir('single', id)}/meta.json`
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"bootId":"[^"]*"/, `"bootId":"${'0'.repeat(32)}"`))
  }
  const sealed = make(`sha256:${'e'.repeat(64)}`)
  const loose = make()
  for (const id of [sealed, loose]) age(id)
  assert.equal(store.snapshots.state('single', loose), 'gone')
  assert.equal(store.snapshots.state('single', sealed), 'verify')
  store.snapshots.markVerified('single', sealed, lease)
  assert.equal(store.snapshots.state('single', sealed), 'trusted')
  assert.equal(store.snapshots.state('single', 'f'.repeat(16)), 'gone')
})

test('snapshots of another id map are refused', (t) => {
  const { store, lease } = withStore(t)
  store.snapshots.checkMap('subid', { uids: [100000] }, lease)
  store.snapshots.checkMap('subid', { uids: [200000] }, lease)
  store.snapshots.publish(store.snapshots.allocate('subid', lease), lease, { created: 1 })
  store.snapshots.checkMap('subid', { uids: [200000] }, lease)
  assert.throws(() => store.snapshots.checkMap('subid', { uids: [100000] }, lease), { code: 'E_IDMAP_CHANGED' })
})

test('a tag that moves leaves its image without a name', (t) => {
  const { store, lease } = withStore(t)
  const target = (c: string) => ({
    manifest: { digest: `sha256:${c.repeat(64)}` as never, size: 1, mediaType: MEDIA.manifest },
    config: `sha256:${c.repeat(64)}` as never,
  })
  const names = () =>
    store.images
      .list()
      .map((r) => `${r.name ?? '-'} ${r.manifest.digest[7]}`)
      .sort()
  store.images.set('docker.io/library/x:1', target('a'), lease, 1)
  store.images.set('docker.io/library/x:2', target('a'), lease, 1)
  store.images.set('docker.io/library/x:1', target('b'), lease, 2)
  assert.deepEqual(names(), ['docker.io/library/x:1 b', 'docker.io/library/x:2 a'])
  store.images.set('docker.io/library/x:2', target('b'), lease, 3)
  assert.deepEqual(names(), ['- a', 'docker.io/library/x:1 b', 'docker.io/library/x:2 b'])
  store.images.set('docker.io/library/x:3', target('a'), lease, 4)
  assert.deepEqual(names(), ['docker.io/library/x:1 b', 'docker.io/library/x:2 b', 'docker.io/library/x:3 a'])
  store.images.set(undefined, target('c'), lease, 5)
  store.images.set(undefined, target('a'), lease, 5)
  assert.equal(
    names()
      .filter((n) => n.startsWith('-'))
      .join(),
    '- c',
  )
  const long = `docker.io/${'x'.repeat(240)}:${'t'.repeat(128)}`
  store.images.set(long, target('c'), lease, 6)
  assert.equal(store.images.get(long)?.name, long)
})

test('cache records come back, and a cut one counts as absent', (t) => {
  const { store, lease, root } = withStore(t)
  const record = { key: 'abc', layer: { diffID: `sha256:${'a'.repeat(64)}` }, created: 7 }
  store.cache.put('abc', record, lease)
  assert.deepEqual(store.cache.get('abc'), record)
  store.cache.get('abc', Date.now() + 10 * 3_600_000)
  assert.ok(store.cache.list()[0]!.usedMs > Date.now() + 9 * 3_600_000)
  truncateSync(join(root, 'cache/abc.json'), 9)
  assert.equal(store.cache.get('abc'), undefined)
})

const STAMP: FileStamp = { dev: 1, ino: 2 ** 50, size: 3, mtimeMs: 1000.123, ctimeMs: 2000.456 }

function remember(index: SumIndex, path: string, hex: string, readMs: number, stamp = STAMP): void {
  const stamps = new StampTable()
  index.remember(path, stamps, stamps.add(stamp), hex, readMs)
}

function lookup(index: SumIndex, path: string, stamp = STAMP): string | undefined {
  const stamps = new StampTable()
  return index.lookup(path, stamps, stamps.add(stamp))
}

test('checksums are remembered for unchanged files only', (t) => {
  const { store, lease } = withStore(t)
  const hex = 'ab'.repeat(32)
  const coarse = { ...STAMP, mtimeMs: 4000, ctimeMs: 4000 }
  const index = store.sums.open('/ctx', lease)
  remember(index, 'a/größe', hex, 5000)
  remember(index, 'racy', hex, 2000.456 + 10)
  remember(index, 'coarse', hex, 5500, coarse)
  index.save()
  const next = store.sums.open('/ctx', lease)
  assert.equal(lookup(next, 'a/größe'), hex)
  for (const change of [{ ino: 1 }, { size: 4 }, { mtimeMs: 1000.2 }, { ctimeMs: 1 }, { dev: 2 }])
    assert.equal(lookup(next, 'a/größe', { ...STAMP, ...change }), undefined)
  assert.equal(lookup(next, 'racy'), undefined)
  assert.equal(lookup(next, 'coarse', coarse), undefined)
  assert.equal(lookup(store.sums.open('/other', lease), 'a/größe'), undefined)
  remember(next, 'new', hex, 9000)
  next.save()
  const third = store.sums.open('/ctx', lease)
  assert.equal(lookup(third, 'a/größe'), hex)
  assert.equal(lookup(third, 'new'), hex)
})

test('checksums are found in any order, and those of changed files take the place of the old ones', (t) => {
  const { store, lease } = withStore(t)
  // One name begins like another, one is not UTF-8.
  const names = ['a', 'a.b', 'a/b', 'a/bc', 'b\udcff', 'z']
  const hex = (name: string, version = 0) => sha256Hex(`${encodeURIComponent(name.replace('\udcff', '?'))} ${version}`)
  const first = store.sums.open('/ctx', lease)
  for (const name of names) remember(first, name, hex(name), 9000)
  first.save()
  const orders = [
    names,
    names.toReversed(),
    ['a/b', 'a', 'none', 'a.b', 'z', 'z', 'b\udcff'],
    ['a.', 'b', 'a/', 'a/bc'],
  ]
  for (const order of orders) {
    const index = store.sums.open('/ctx', lease)
    for (const name of order)
      assert.equal(lookup(index, name), names.includes(name) ? hex(name) : undefined, JSON.stringify([order, name]))
  }
  const changing = store.sums.open('/ctx', lease)
  const changed = { ...STAMP, size: 4 }
  remember(changing, 'a/b', hex('a/b', 1), 9000, changed)
  assert.equal(lookup(changing, 'a/b'), undefined)
  assert.equal(lookup(changing, 'a/b', changed), hex('a/b', 1))
  changing.save()
  const last = store.sums.open('/ctx', lease)
  for (const name of names.filter((n) => n !== 'a/b')) assert.equal(lookup(last, name), hex(name))
  assert.equal(lookup(last, 'a/b'), undefined)
  assert.equal(lookup(last, 'a/b', changed), hex('a/b', 1))
})

test('checksums that nobody asks for are forgotten once they are many more than the others', (t) => {
  const { store, lease } = withStore(t)
  const first = store.sums.open('/ctx', lease)
  for (let i = 0; i < 1100; i++) remember(first, `old${i}`, 'ab'.repeat(32), 9000)
  first.save()
  const second = store.sums.open('/ctx', lease)
  lookup(second, 'old7')
  remember(second, 'new', 'cd'.repeat(32), 9000)
  second.save()
  const third = store.sums.open('/ctx', lease)
  assert.deepEqual(
    ['old7', 'new', 'old8'].map((name) => lookup(third, name)),
    ['ab'.repeat(32), 'cd'.repeat(32), undefined],
  )
})
