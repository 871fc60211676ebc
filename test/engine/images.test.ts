import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { NodeContainers } from '../../src/engine/containers/node-containers.js'
import { NodeSystem } from '../../src/engine/system/node-system.js'
import { selfIdentity } from '../../src/util/identity.js'
import { diskUsage } from '../../src/util/remove-tree.js'
import { streamOf, withImages } from '../helpers/images.js'
import { tarOf } from '../helpers/layers.js'

const rootfs = tarOf([{ path: 'bin' }, { path: 'bin/sh', content: '#!', mode: 0o755 }, { path: 'etc', mtime: 9 }])

test('import makes an image of one layer, with changes', async (t) => {
  const { images, store } = withImages(t, { SOURCE_DATE_EPOCH: '86400' })
  const changes = [
    'ENV A=1 B="two words"',
    'ENV C=$A-c',
    'CMD ["sh", "-l"]',
    'ENTRYPOINT exec env',
    'WORKDIR /srv',
    'WORKDIR x',
    'USER nobody',
    'EXPOSE 80 53/udp',
    'VOLUME /data',
    'LABEL k=v',
    'STOPSIGNAL SIGINT',
    'ONBUILD RUN true',
  ]
  const id = await images.import('-', 'base:1', changes, streamOf(gzipSync(rootfs), 100))
  const found = await images.inspect('base:1')
  assert.equal(found.Id, id)
  assert.deepEqual(found.Config, {
    Env: ['A=1', 'B=two words', 'C=1-c'],
    Cmd: ['sh', '-l'],
    Entrypoint: ['/bin/sh', '-c', 'exec env'],
    WorkingDir: '/srv/x',
    User: 'nobody',
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    Volumes: { '/data': {} },
    Labels: { k: 'v' },
    StopSignal: 'SIGINT',
    OnBuild: ['RUN true'],
  })
  assert.equal(found.Created, '1970-01-02T00:00:00Z')
  assert.equal(found.Size, rootfs.length)
  assert.deepEqual(found.RepoTags, ['base:1'])
  assert.match(found.RepoDigests[0]!, /^base@sha256:/)
  assert.ok(store.blobs.read(found.RootFS.Layers[0]!).equals(rootfs))
  assert.deepEqual(await images.history('base:1'), [
    { created: '1970-01-02T00:00:00Z', comment: 'Imported from -', id, sizeBytes: rootfs.length },
  ])
})

const badImports: [what: string, input: Uint8Array, reference: string, changes: string[], code: string][] = [
  ['what is no tar', Buffer.from('no tar at all'.repeat(100)), 'x', [], 'E_TAR_INVALID'],
  ['nothing', new Uint8Array(0), 'x', [], 'E_TAR_INVALID'],
  ['a cut tar', rootfs.subarray(0, 700), 'x', [], 'E_TAR_INVALID'],
  ['a cut gzip', gzipSync(rootfs).subarray(0, 40), 'x', [], 'E_UNPACK'],
  ['a bad name', rootfs, 'X', [], 'E_REFERENCE_INVALID'],
  ['a change of files', rootfs, 'x', ['RUN true'], 'E_CHANGE_UNSUPPORTED'],
  ['a change that is none', rootfs, 'x', ['NOPE'], 'E_DOCKERFILE'],
  ['a second stage', rootfs, 'x', ['FROM scratch'], 'E_CHANGE_UNSUPPORTED'],
]
for (const [what, input, reference, changes, code] of badImports)
  test(`import refuses ${what} and leaves nothing`, async (t) => {
    const { images, store, lease, root } = withImages(t)
    await assert.rejects(images.import('-', reference, changes, streamOf(input)), { code })
    lease.close()
    assert.deepEqual(await images.list(), [])
    assert.equal(store.blobs.has(`sha256:${'0'.repeat(64)}`), false)
    assert.ok(diskUsage(root) <= 3 * 4096, 'only the version is there')
  })

test('import says which file is not there', async (t) => {
  const { images } = withImages(t)
  await assert.rejects(images.import('/no/such.tar', undefined, []), { code: 'E_FILE_MISSING' })
})

/** Three names on two images. */
async function twoImages(t: Parameters<typeof withImages>[0]) {
  const made = withImages(t)
  const a = await made.images.import('-', 'a:1', [], streamOf(rootfs))
  const b = await made.images.import('-', 'b', ['ENV X=1'], streamOf(rootfs))
  await made.images.tag('a:1', 'example.com/a:2')
  return { ...made, a, b }
}

test('list shows names as docker does, filtered by name', async (t) => {
  const { images, a, b } = await twoImages(t)
  const shown = (await images.list()).map((i) => [i.repository, i.tag, i.id])
  assert.deepEqual(shown, [
    ['a', '1', a],
    ['b', 'latest', b],
    ['example.com/a', '2', a],
  ])
  assert.equal((await images.list('a')).length, 1)
  assert.equal((await images.list('a:2')).length, 0)
  assert.equal((await images.list('example.com/a:2')).length, 1)
  await assert.rejects(images.list('A'), { code: 'E_REFERENCE_INVALID' })
})

test('an image is found by name, id, cut id and digest', async (t) => {
  const { images, a } = await twoImages(t)
  const { RepoDigests } = await images.inspect('a:1')
  for (const text of ['a:1', 'docker.io/library/a:1', a, a.slice(7), a.slice(7, 19), RepoDigests[0]!])
    assert.equal((await images.config(text)).digest, a, text)
  for (const text of ['a', 'nope', 'f'.repeat(64), 'sha256:zz'])
    await assert.rejects(images.config(text), { code: 'E_IMAGE_NOT_FOUND' }, text)
  for (const text of ['', 'Upper', 'a b'])
    await assert.rejects(images.config(text), { code: 'E_REFERENCE_INVALID' }, text)
})

test('tag refuses what can be no tag', async (t) => {
  const { images } = await twoImages(t)
  await assert.rejects(images.tag('nope', 'x'), { code: 'E_IMAGE_NOT_FOUND' })
  await assert.rejects(images.tag('a:1', 'X'), { code: 'E_REFERENCE_INVALID' })
  await assert.rejects(images.tag('a:1', `x@sha256:${'a'.repeat(64)}`), { code: 'E_REFERENCE_INVALID' })
})

test('remove takes a name, and the image with the last one', async (t) => {
  const { images, a, b, store, deps } = await twoImages(t)
  // Pins of this test's own work would keep all.
  deps.lease.close()
  const fresh = { ...deps, lease: store.lease() }
  t.after(() => fresh.lease.close())
  const { NodeImages } = await import('../../src/engine/images/node-images.js')
  const later = new NodeImages(fresh)
  assert.deepEqual(await later.remove(['a:1'], { force: false }), ['Untagged: a:1'])
  assert.ok(store.blobs.has(a))
  assert.deepEqual(await later.remove(['example.com/a:2'], { force: false }), [
    'Untagged: example.com/a:2',
    `Deleted: ${a}`,
  ])
  assert.ok(!store.blobs.has(a))
  const layer = (await later.inspect('b')).RootFS.Layers[0]!
  assert.ok(store.blobs.has(layer), 'the other image has the same layer')
  assert.deepEqual(await later.remove([b.slice(7, 15)], { force: false }), ['Untagged: b:latest', `Deleted: ${b}`])
  assert.ok(!store.blobs.has(layer))
  await assert.rejects(later.remove(['b'], { force: false }), { code: 'E_IMAGE_NOT_FOUND' })
  assert.deepEqual(await later.remove(['b'], { force: true }), [])
  assert.deepEqual(await images.list(), [])
})

test('remove by id wants force where names are in several repositories', async (t) => {
  const { images, a } = await twoImages(t)
  await assert.rejects(images.remove([a], { force: false }), { code: 'E_IMAGE_USED' })
  assert.deepEqual((await images.remove([a], { force: true })).sort(), [
    `Deleted: ${a}`,
    'Untagged: a:1',
    'Untagged: example.com/a:2',
  ])
})

/** A container's record, as `run` writes it. */
function putContainer(made: Awaited<ReturnType<typeof twoImages>>, id: string, manifest: string, running: boolean) {
  const record = {
    id: id.repeat(64),
    name: `name-${id}`,
    image: 'b',
    manifest,
    layers: [],
    mode: 'single',
    args: ['sh'],
    created: '2026-01-01T00:00:00Z',
    autoRemove: false,
    ...(running ? { runner: selfIdentity() } : { exitCode: 3 }),
  }
  made.store.containers.put(record, made.lease)
}

test('an image that a container uses stays', async (t) => {
  const made = await twoImages(t)
  const { images, b } = made
  const [summary] = await images.list('b')
  putContainer(made, 'c', summary!.manifestDigest, false)
  await assert.rejects(images.remove(['b'], { force: false }), { code: 'E_IMAGE_USED', hint: /tsbox rm/ })
  assert.deepEqual(await images.remove(['b'], { force: true }), ['Untagged: b:latest', `Deleted: ${b}`])
  await images.import('-', 'b', ['ENV X=1'], streamOf(rootfs))
  putContainer(made, 'd', summary!.manifestDigest, true)
  await assert.rejects(images.remove(['b'], { force: true }), { code: 'E_IMAGE_USED' })
})

test('containers are listed and removed', async (t) => {
  const made = await twoImages(t)
  const containers = new NodeContainers(made.deps)
  putContainer(made, 'c', `sha256:${'c'.repeat(64)}`, false)
  putContainer(made, 'd', `sha256:${'d'.repeat(64)}`, true)
  const show = async (all: boolean) => (await containers.list({ all })).map((c) => [c.name, c.status, c.exitCode])
  assert.deepEqual(await show(false), [['name-d', 'running', undefined]])
  assert.equal((await show(true)).length, 2)
  await assert.rejects(containers.remove(['name-d'], { force: false }), { code: 'E_CONTAINER_RUNNING' })
  await assert.rejects(containers.remove(['nope', 'cccc'], { force: false }), { code: 'E_CONTAINER_NOT_FOUND' })
  assert.deepEqual(await show(true), [['name-d', 'running', undefined]], 'the one that could go is gone')
})

test('prune keeps named images, prune -a only those of running containers', async (t) => {
  const made = await twoImages(t)
  const { images, store, deps, a, b, root } = made
  const [ofB] = await images.list('b')
  await images.import('-', 'b', ['ENV X=2'], streamOf(rootfs))
  putContainer(made, 'c', ofB!.manifestDigest, false)
  putContainer(made, 'd', ofB!.manifestDigest, true)
  store.cache.put('k', { key: 'k', created: 1 }, deps.lease)
  deps.lease.close()
  const lease = store.lease()
  const system = new NodeSystem({ ...deps, lease })
  const first = await system.prune({ all: false, filters: {} })
  assert.ok(first.deleted.includes('c'.repeat(64)))
  assert.ok(first.reclaimedBytes > 0)
  assert.equal(store.cache.get('k'), undefined)
  assert.equal((await images.list()).length, 4)
  assert.ok(store.blobs.has(b), 'a running container uses it')
  const second = await system.prune({ all: true, filters: {} })
  assert.ok(second.deleted.includes('untagged: a:1'))
  assert.ok(second.deleted.includes(`deleted: ${a}`))
  assert.equal((await images.list())[0]?.id, b)
  store.containers.retire('d'.repeat(64), lease.tempPath('trash'))
  await system.prune({ all: true, filters: {} })
  lease.close()
  assert.ok(diskUsage(root) <= 3 * 4096, 'as small as a new store')
})
