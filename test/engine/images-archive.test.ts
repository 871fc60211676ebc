import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { digestOf } from '../../src/oci/digest.js'
import { MEDIA } from '../../src/oci/media-type.js'
import { nodeSha256 } from '../../src/util/hash.js'
import { saved, streamOf, withImages } from '../helpers/images.js'
import { listTar, type SimpleEntry, tarOf } from '../helpers/layers.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { tempDir } from '../helpers/temp.js'

const layer1 = tarOf([{ path: 'etc' }, { path: 'etc/os-release', content: 'NAME=test\n', uid: 3 }])
const layer2 = tarOf([
  { path: 'etc/os-release', type: 'whiteout' },
  { path: 'app', content: 'x'.repeat(300_000), mode: 0o755 },
])
const sha = (bytes: Uint8Array | string) => digestOf(nodeSha256, bytes)
const json = (value: unknown) => Buffer.from(JSON.stringify(value))

function configOf(...layers: Uint8Array[]): Buffer {
  return json({
    created: '2026-01-02T03:04:05Z',
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/app'] },
    rootfs: { type: 'layers', diff_ids: layers.map(sha) },
    history: layers.map((_, i) => ({ created: '2026-01-02T03:04:05Z', created_by: `layer ${i}` })),
  })
}

const file = (path: string, content: Uint8Array): SimpleEntry => ({ path, content })
const blobPath = (bytes: Uint8Array) => `blobs/sha256/${sha(bytes).slice(7)}`

/** An archive as docker before 25 wrote it. */
function dockerArchive(
  options: { second?: SimpleEntry; config?: Buffer; tags?: string[] | null; layer?: Uint8Array } = {},
) {
  const config = options.config ?? configOf(layer1, layer2)
  const name = `${sha(config).slice(7)}.json`
  return tarOf([
    { path: 'one' },
    file('one/layer.tar', options.layer ?? layer1),
    { path: 'two' },
    options.second ?? file('two/layer.tar', layer2),
    file(name, config),
    file(
      'manifest.json',
      json([{ Config: name, RepoTags: options.tags ?? ['old:1'], Layers: ['one/layer.tar', 'two/layer.tar'] }]),
    ),
  ])
}

interface LayoutOptions {
  packed?: [bytes: Uint8Array, mediaType: string][]
  annotations?: Record<string, string>
  /** Wraps or replaces what index.json lists. */
  manifests?: (descriptor: object) => { list: object[]; more: Uint8Array[] }
  extra?: SimpleEntry[]
}

/** An OCI archive. */
function ociArchive(options: LayoutOptions = {}): Buffer {
  const config = configOf(layer1, layer2)
  const packed = options.packed ?? [
    [layer1, MEDIA.layer],
    [layer2, MEDIA.layer],
  ]
  const manifest = json({
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: { mediaType: MEDIA.config, digest: sha(config), size: config.length },
    layers: packed.map(([bytes, mediaType]) => ({ mediaType, digest: sha(bytes), size: bytes.length })),
  })
  const annotations = options.annotations ?? { 'org.opencontainers.image.ref.name': 'example.com/x:1' }
  const descriptor = { mediaType: MEDIA.manifest, digest: sha(manifest), size: manifest.length, annotations }
  const { list, more } = options.manifests?.(descriptor) ?? { list: [descriptor], more: [] }
  return tarOf([
    ...packed.map(([bytes]) => file(blobPath(bytes), bytes)),
    ...[config, manifest, ...more].map((bytes) => file(blobPath(bytes), bytes)),
    file('index.json', json({ schemaVersion: 2, manifests: list })),
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    ...(options.extra ?? []),
  ])
}

const zstd = (bytes: Uint8Array) => spawnSync('zstd', ['-c'], { input: bytes, maxBuffer: 1 << 24 }).stdout
const gz = (bytes: Uint8Array) => gzipSync(bytes)
const idOf = sha(configOf(layer1, layer2))

const good: [what: string, archive: (t: TestContext) => Buffer | undefined, names: string[]][] = [
  ['a docker archive', () => dockerArchive(), ['old:1']],
  ['a gzipped docker archive', () => gz(dockerArchive()), ['old:1']],
  ['a docker archive without names', () => dockerArchive({ tags: [] }), [idOf]],
  [
    'a docker archive with a gzipped layer',
    () => dockerArchive({ second: file('two/layer.tar', gz(layer2)) }),
    ['old:1'],
  ],
  ['an OCI archive', () => ociArchive(), ['example.com/x:1']],
  [
    'an OCI archive of gzipped layers',
    () =>
      ociArchive({
        packed: [
          [gz(layer1), MEDIA.layerGzip],
          [gz(layer2), MEDIA.layerGzip],
        ],
      }),
    ['example.com/x:1'],
  ],
  [
    'an OCI archive whose ref name is a tag',
    () => ociArchive({ annotations: { 'org.opencontainers.image.ref.name': 'latest' } }),
    [idOf],
  ],
  [
    'an OCI archive with containerd’s name',
    () =>
      ociArchive({
        annotations: { 'org.opencontainers.image.ref.name': '1', 'io.containerd.image.name': 'docker.io/library/y:1' },
      }),
    ['y:1'],
  ],
  [
    'an index of platforms with attestations',
    () =>
      ociArchive({
        manifests(descriptor) {
          const other = { mediaType: MEDIA.manifest, digest: `sha256:${'a'.repeat(64)}`, size: 3 }
          const index = json({
            schemaVersion: 2,
            mediaType: MEDIA.index,
            manifests: [
              { ...other, platform: { os: 'linux', architecture: 'arm64' } },
              { ...descriptor, platform: { os: 'linux', architecture: 'amd64' } },
              { ...other, platform: { os: 'unknown', architecture: 'unknown' } },
            ],
          })
          const top = { mediaType: MEDIA.index, digest: sha(index), size: index.length }
          return { list: [{ ...top, annotations: { 'io.containerd.image.name': 'docker.io/me/m:1' } }], more: [index] }
        },
      }),
    ['me/m:1'],
  ],
  [
    'names that only manifest.json has',
    () =>
      ociArchive({
        annotations: {},
        extra: [
          file('manifest.json', json([{ Config: blobPath(configOf(layer1, layer2)), RepoTags: ['z:9'], Layers: [] }])),
        ],
      }),
    ['z:9'],
  ],
  [
    'zstd layers',
    (t) =>
      requireProgram(t, 'zstd')
        ? ociArchive({
            packed: [
              [zstd(layer1), MEDIA.layerZstd],
              [zstd(layer2), MEDIA.layerZstd],
            ],
          })
        : undefined,
    ['example.com/x:1'],
  ],
]
for (const [what, make, names] of good)
  test(`load reads ${what}`, async (t) => {
    const archive = make(t)
    if (!archive) return
    const { images, store, lease } = withImages(t)
    assert.deepEqual(await images.load('-', streamOf(archive)), names)
    const found = await images.inspect(names[0]!)
    assert.equal(found.Id, idOf)
    assert.equal(found.Size, layer1.length + layer2.length)
    for (const [i, layer] of [layer1, layer2].entries()) {
      const toc = await store.layers.ensureToc(sha(layer), lease)
      assert.deepEqual(
        toc?.items.map((item) => item.entry),
        (await listTar(layer)).map((e) => e.entry),
        `layer ${i}`,
      )
      assert.ok(store.hasLayer(sha(layer)))
    }
    assert.deepEqual(await images.load('-', streamOf(archive)), names, 'again')
  })

test('load reads an OCI layout folder, and a file', async (t) => {
  const dir = join(tempDir(t), 'layout')
  const tar = `${dir}.tar`
  mkdirSync(dir)
  writeFileSync(tar, ociArchive())
  runProgram('tar', ['-C', dir, '-xf', tar])
  const { images } = withImages(t)
  assert.deepEqual(await images.load(dir), ['example.com/x:1'])
  assert.deepEqual(await images.load(tar), ['example.com/x:1'])
  const link = join(dir, blobPath(layer1))
  runProgram('mv', [link, `${dir}.blob`])
  symlinkSync(`${dir}.blob`, link)
  const other = withImages(t)
  await assert.rejects(other.images.load(dir), { code: 'E_UNSAFE_PATH' })
  assert.deepEqual(await other.images.list(), [])
})

test('load follows links between layers of an archive', async (t) => {
  const { images } = withImages(t)
  const config = configOf(layer1, layer1)
  const twice = dockerArchive({ config, second: { path: 'two/layer.tar', type: 'symlink', link: '../one/layer.tar' } })
  assert.deepEqual(await images.load('-', streamOf(twice)), ['old:1'])
  const hard = dockerArchive({ config, second: { path: 'two/layer.tar', type: 'hardlink', link: 'one/layer.tar' } })
  assert.deepEqual(await images.load('-', streamOf(hard)), ['old:1'])
})

/** Another content under a blob's name. */
function swapped(archive: Buffer, path: string, content: Uint8Array): Promise<Buffer> {
  return listTar(archive).then((list) =>
    tarOf(list.map(({ entry, content: c }) => ({ ...entry, content: entry.path === path ? content : (c ?? '') }))),
  )
}

const bad: [what: string, archive: () => Buffer | Promise<Buffer>, code: string][] = [
  ['a path that leaves the archive', () => tarOf([{ path: '../../etc/passwd', content: 'x' }]), 'E_TAR_UNSAFE_PATH'],
  [
    'a link that leaves the archive',
    () => dockerArchive({ second: { path: 'two/layer.tar', type: 'symlink', link: '../../../etc/passwd' } }),
    'E_TAR_UNSAFE_PATH',
  ],
  [
    'links in a circle',
    () => dockerArchive({ second: { path: 'two/layer.tar', type: 'symlink', link: 'layer.tar' } }),
    'E_ARCHIVE_INVALID',
  ],
  ['a layer that is another one', () => dockerArchive({ layer: layer2 }), 'E_DIGEST_MISMATCH'],
  ['a packed layer that is another one', () => dockerArchive({ layer: gz(layer2) }), 'E_DIGEST_MISMATCH'],
  ['a layer too few', () => dockerArchive({ config: configOf(layer1) }), 'E_ARCHIVE_INVALID'],
  [
    'a layer that is no tar',
    () =>
      dockerArchive({
        config: configOf(Buffer.from('junk'.repeat(300)), layer2),
        layer: Buffer.from('junk'.repeat(300)),
      }),
    'E_TAR_INVALID',
  ],
  ['a name that is none', () => dockerArchive({ tags: ['Bad Name'] }), 'E_ARCHIVE_INVALID'],
  ['a blob with another content', () => swapped(ociArchive(), blobPath(layer1), layer2), 'E_DIGEST_MISMATCH'],
  [
    'a config with another content',
    () => swapped(ociArchive(), blobPath(configOf(layer1, layer2)), Buffer.from('{}')),
    'E_DIGEST_MISMATCH',
  ],
  [
    'an image of other platforms',
    () =>
      ociArchive({
        manifests: (d) => {
          const index = json({
            schemaVersion: 2,
            manifests: ['arm64', 's390x'].map((architecture) => ({ ...d, platform: { os: 'linux', architecture } })),
          })
          return { list: [{ mediaType: MEDIA.index, digest: sha(index), size: index.length }], more: [index] }
        },
      }),
    'E_NO_PLATFORM',
  ],
  ['the tar of a root file system', () => layer1, 'E_ARCHIVE_INVALID'],
  ['what is no tar', () => Buffer.from('hello '.repeat(200)), 'E_ARCHIVE_INVALID'],
  ['a cut archive', () => dockerArchive().subarray(0, 200_000), 'E_ARCHIVE_INVALID'],
  ['nothing', () => Buffer.alloc(0), 'E_ARCHIVE_INVALID'],
]
for (const [what, make, code] of bad)
  test(`load refuses ${what} and leaves nothing`, async (t) => {
    const { images, root, lease } = withImages(t)
    await assert.rejects(images.load('-', streamOf(await make())), { code })
    assert.deepEqual(await images.list(), [])
    lease.close()
    assert.deepEqual(spawnSync('find', [join(root, 'tmp')]).stdout.toString(), '')
  })

/** A store with one image by two names, one layer of which has no blob. */
async function withSaved(t: TestContext) {
  const made = withImages(t)
  await made.images.load('-', streamOf(ociArchive()))
  await made.images.tag('example.com/x:1', 'short:2')
  made.tars.set(sha(layer1), layer1)
  runProgram('rm', [made.store.blobs.path(sha(layer1))])
  return made
}

test('save writes what load reads, the same bytes each time', async (t) => {
  const { images } = await withSaved(t)
  const archive = await saved(images, 'example.com/x:1', 'short')
  assert.ok(archive.equals(await saved(images, 'example.com/x:1', 'short')))
  assert.deepEqual(
    (await listTar(archive)).map((e) => e.entry.path).filter((p) => !p.startsWith('blobs/sha256/')),
    ['blobs', 'blobs/sha256', 'index.json', 'manifest.json', 'oci-layout'].filter((p) => p !== 'blobs/sha256/'),
  )
  const other = withImages(t)
  assert.deepEqual((await other.images.load('-', streamOf(archive))).sort(), ['example.com/x:1', 'short:2'])
  assert.equal((await other.images.list())[0]?.id, idOf)
  assert.ok(archive.equals(await saved(other.images, 'example.com/x:1', 'short:2')))
})

test('save by id gives no name; several images share blobs', async (t) => {
  const { images } = await withSaved(t)
  await images.import('-', 'other', [], streamOf(layer2))
  const list = await listTar(await saved(images, idOf, 'other'))
  const text = (path: string) => JSON.parse(list.find((e) => e.entry.path === path)!.content!.toString())
  assert.deepEqual(
    text('manifest.json').map((i: { RepoTags: unknown }) => i.RepoTags),
    [null, ['other:latest']],
  )
  assert.equal(text('index.json').manifests[0].annotations, undefined)
  const blobs = list.filter((e) => e.entry.path.startsWith('blobs/sha256/'))
  assert.equal(blobs.length, 6, 'two layers, two configs, two manifests')
  for (const b of blobs) assert.equal(`blobs/sha256/${sha(b.content!).slice(7)}`, b.entry.path)
})

test('save says what is missing before it writes', async (t) => {
  const { images, tars } = await withSaved(t)
  await assert.rejects(saved(images, 'nope'), { code: 'E_IMAGE_NOT_FOUND' })
  tars.clear()
  await assert.rejects(saved(images, 'short:2'), /no tar for/)
})

test('save stops when the reader does', async (t) => {
  const { images } = await withSaved(t)
  await assert.rejects(
    images.save(['short:2'], () => {
      throw new Error('pipe closed')
    }),
    /pipe closed/,
  )
})

/** The saved archive as a file. */
async function archiveFile(t: TestContext): Promise<string> {
  const { images } = await withSaved(t)
  const path = join(tempDir(t), 'saved.tar')
  writeFileSync(path, await saved(images, 'example.com/x:1', 'short:2'))
  return path
}

test('skopeo reads a saved archive both ways', async (t) => {
  if (!requireProgram(t, 'skopeo')) return
  const path = await archiveFile(t)
  for (const name of [
    `docker-archive:${path}:short:2`,
    `docker-archive:${path}:example.com/x:1`,
    `oci-archive:${path}:docker.io/library/short:2`,
  ]) {
    const config = JSON.parse(runProgram('skopeo', ['inspect', '--config', name])) as { config: unknown }
    assert.deepEqual(config.config, { Cmd: ['/app'] }, name)
  }
  const raw = runProgram('skopeo', ['inspect', '--raw', `oci-archive:${path}:example.com/x:1`])
  assert.equal(JSON.parse(raw).config.digest, idOf)
})

test('skopeo’s archives load', async (t) => {
  if (!requireProgram(t, 'skopeo')) return
  const path = await archiveFile(t)
  const from = `oci-archive:${path}:example.com/x:1`
  const dir = tempDir(t)
  const targets: [to: string, input: string, args: string[], names: string[]][] = [
    [`docker-archive:${dir}/d.tar:a/b:1`, `${dir}/d.tar`, [], ['a/b:1']],
    [`oci-archive:${dir}/o.tar:c/d:2`, `${dir}/o.tar`, ['--dest-compress'], ['c/d:2']],
    [`oci:${dir}/layout:e/f:3`, `${dir}/layout`, ['--dest-compress', '--dest-compress-format=zstd'], ['e/f:3']],
  ]
  for (const [to, input, args, names] of targets) {
    runProgram('skopeo', ['--insecure-policy', 'copy', '-q', ...args, from, to])
    const { images } = withImages(t)
    assert.deepEqual(await images.load(input), names)
    const found = await images.inspect(names[0]!)
    assert.deepEqual(found.RootFS.Layers, [sha(layer1), sha(layer2)])
    assert.equal(found.Size, layer1.length + layer2.length)
  }
})

test('umoci unpacks a saved archive, and its layouts load', async (t) => {
  if (!requireProgram(t, 'umoci')) return
  const dir = tempDir(t)
  mkdirSync(join(dir, 'layout'))
  runProgram('tar', ['-C', join(dir, 'layout'), '-xf', await archiveFile(t)])
  // umoci takes a tag without slashes only.
  const index = join(dir, 'layout/index.json')
  writeFileSync(index, readFileSync(index, 'utf8').replaceAll('example.com/x:1', 'tag'))
  runProgram('umoci', ['unpack', '--rootless', '--image', `${dir}/layout:tag`, join(dir, 'bundle')])
  assert.equal(readFileSync(join(dir, 'bundle/rootfs/app')).length, 300_000)
  assert.throws(() => readFileSync(join(dir, 'bundle/rootfs/etc/os-release')), { code: 'ENOENT' })
  writeFileSync(join(dir, 'bundle/rootfs/new'), 'new')
  runProgram('umoci', ['repack', '--image', `${dir}/layout:next`, join(dir, 'bundle')])
  const { images } = withImages(t)
  const names = await images.load(join(dir, 'layout'))
  const layers = await Promise.all(names.map(async (n) => (await images.inspect(n)).RootFS.Layers.length))
  assert.ok(layers.includes(3), `${names} ${layers}`)
})

test('podman loads a saved archive, and its archives load', async (t) => {
  if (!requireProgram(t, 'podman')) return
  const path = await archiveFile(t)
  const dir = tempDir(t)
  // A user without subordinate ids can't own what belongs to others in the image.
  const place = ['--root', `${dir}/root`, '--runroot', `${dir}/run`, '--storage-driver=vfs']
  const podman = (...args: string[]) =>
    runProgram('podman', [...place, '--storage-opt=vfs.ignore_chown_errors=true', ...args])
  try {
    assert.match(podman('load', '-q', '-i', path), /example\.com\/x:1/)
    const found = podman('image', 'inspect', '-f', '{{.Id}} {{.RootFS.Layers}}', 'example.com/x:1')
    assert.equal(found.trim(), `${idOf.slice(7)} [${sha(layer1)} ${sha(layer2)}]`)
    for (const format of ['docker-archive', 'oci-archive']) {
      const to = join(dir, `${format}.tar`)
      podman('save', '-q', '--format', format, '-o', to, 'example.com/x:1')
      const { images } = withImages(t)
      assert.deepEqual(await images.load(to), ['example.com/x:1'])
      assert.equal((await images.inspect('example.com/x:1')).RootFS.Layers.length, 2)
    }
  } finally {
    // Its files may belong to mapped users, which only podman may delete.
    spawnSync('podman', [...place, 'system', 'reset', '-f'])
  }
})

// The schemas are not ours to ship: TSBOX_OCI_SCHEMA names a folder with those of image-spec.
const schemas = process.env.TSBOX_OCI_SCHEMA
const schemaTest = schemas ? test : () => {}
schemaTest('what is written follows the schemas of the specification', async (t) => {
  const path = await archiveFile(t)
  const script = `
import json, os, sys, tarfile, jsonschema
folder = sys.argv[1]
def bare(x):
    if isinstance(x, dict): return {k: bare(v) for k, v in x.items() if not (k == 'id' and isinstance(v, str))}
    return [bare(v) for v in x] if isinstance(x, list) else x
store = {}
for name in os.listdir(folder):
    if name.endswith('.json'): store['http://s/' + name] = bare(json.load(open(os.path.join(folder, name))))
def check(name, value):
    uri = 'http://s/' + name
    resolver = jsonschema.RefResolver(uri, store[uri], store)
    jsonschema.Draft4Validator(store[uri], resolver=resolver).validate(value)
t = tarfile.open(sys.argv[2])
get = lambda p: json.load(t.extractfile(p))
blob = lambda d: 'blobs/' + d['digest'].replace(':', '/')
check('image-layout-schema.json', get('oci-layout'))
index = get('index.json')
check('image-index-schema.json', index)
for d in index['manifests']:
    check('content-descriptor.json', d)
    manifest = get(blob(d))
    check('image-manifest-schema.json', manifest)
    check('config-schema.json', get(blob(manifest['config'])))
print('valid', len(index['manifests']))`
  assert.equal(runProgram('python3', ['-W', 'ignore', '-c', script, schemas!, path]).trim(), 'valid 2')
})
