/** Outputs with compression, annotations, media types and rewritten times: what other tools make of them. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { type Cli, makeBase, openCli, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import { Podman } from '../helpers/podman.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { assertNothingLeft } from '../helpers/refusal.js'
import { readTar, savedImage } from '../helpers/saved.js'
import { ID_MODES } from '../helpers/userns.js'

const cli = sharedCli()
const podman = new Podman(cli)
before(() => makeBase(cli))
after(() => podman.reset())

const EPOCH = 1_500_000_000
const DOCKERFILE = `FROM base
RUN mkdir /data && seq 1 50000 > /data/numbers 2>/dev/null || find / -xdev > /data/numbers
RUN cp /data/numbers /data/again && chown 7:8 /data/again
COPY f /f
CMD ["cat", "/f"]
`
const context = (of: Cli = cli) => writeContext(of, { Dockerfile: DOCKERFILE, f: 'content\n' })
const OCI = 'application/vnd.oci.image'
const DOCKER = 'application/vnd.docker'

interface Layout {
  dir: string
  manifest: {
    mediaType: string
    config: { mediaType: string; digest: string }
    layers: { mediaType: string; digest: string; size: number }[]
    annotations?: Record<string, string>
  }
  config: { rootfs: { diff_ids: string[] }; history: { created: string; created_by: string }[] }
  descriptor: { mediaType: string; digest: string; annotations?: Record<string, string> }
}

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
const blob = (dir: string, digest: string) => join(dir, 'blobs', digest.replace(':', '/'))

/** Builds into an OCI layout folder, whose blobs are checked against their names. */
function layout(of: Cli, ctx: string, attributes: string, args: readonly string[] = [], env = {}): Layout {
  const dir = join(mkdtempSync(join(of.dir, 'layout-')), 'l')
  of.build(ctx, ['-t', 'example.com/made:1', '-o', `type=oci,tar=false,dest=${dir},${attributes}`, ...args], { env })
  for (const name of readdirSync(join(dir, 'blobs/sha256')))
    assert.equal(sha256(readFileSync(join(dir, 'blobs/sha256', name))), name)
  const [descriptor] = read(join(dir, 'index.json')).manifests
  const manifest = read(blob(dir, descriptor.digest))
  return { dir, manifest, config: read(blob(dir, manifest.config.digest)), descriptor }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const types = ({ manifest }: Layout) => manifest.layers.map((l) => l.mediaType)

for (const kind of ['gzip', 'zstd'])
  test(`layers are ${kind}, which skopeo, umoci and podman read`, async (t) => {
    if (!(await requireBox(t))) return
    const ctx = context()
    const made = layout(cli, ctx, `compression=${kind}`)
    const own = `${OCI}.layer.v1.tar+${kind}`
    assert.deepEqual(types(made), [`${OCI}.layer.v1.tar`, own, own, own], "the base's layers are as they were")
    const forced = layout(cli, ctx, `compression=${kind},force-compression=true`)
    assert.deepEqual(types(forced), [own, own, own, own])
    assert.deepEqual(forced.config, made.config)
    for (const [i, layer] of forced.manifest.layers.entries())
      assert.equal(layer.size, statSync(blob(forced.dir, layer.digest)).size, `${i}`)
    readBySkopeo(t, forced)
    readByUmoci(t, forced, kind)
    readByPodman(t, kind)
  })

function readBySkopeo(t: TestContext, { dir, config }: Layout): void {
  if (!requireProgram(t, 'skopeo')) return
  const to = mkdtempSync(join(cli.dir, 'skopeo-'))
  const copy = ['--insecure-policy', 'copy', '-q', '--dest-decompress', `oci:${dir}:example.com/made:1`, `dir:${to}`]
  runProgram('skopeo', copy, { env: cli.env })
  // It unpacks each layer and checks it; what comes out must be what the configuration names.
  for (const diffID of config.rootfs.diff_ids) assert.ok(existsSync(join(to, diffID.slice(7))), diffID)
}

function readByUmoci(t: TestContext, { dir }: Layout, kind: string): void {
  if (!requireProgram(t, 'umoci')) return
  // 0.4.7 of Debian 12 knows gzip only.
  if (kind === 'zstd' && /version 0\.[0-4]\./.test(runProgram('umoci', ['--version']))) return
  const bundle = join(mkdtempSync(join(cli.dir, 'umoci-')), 'b')
  runProgram('umoci', ['unpack', '--rootless', '--image', `${dir}:example.com/made:1`, bundle])
  assert.equal(readFileSync(join(bundle, 'rootfs/f'), 'utf8'), 'content\n')
}

function readByPodman(t: TestContext, kind: string): void {
  if (!podman.required(t)) return
  for (const type of ['oci', 'docker']) {
    const file = join(mkdtempSync(join(cli.dir, 'podman-')), 'a.tar')
    const form = `compression=${kind},force-compression=true`
    cli.build(context(), ['-t', `example.com/${type}-${kind}:1`, '-o', `type=${type},dest=${file},${form}`])
    assert.match(podman.ok(['load', '-q', '-i', file]), new RegExp(`example\\.com/${type}-${kind}:1`))
    const output = podman.runs(t, [`example.com/${type}-${kind}:1`])
    if (output !== undefined) assert.equal(output, 'content\n')
  }
}

test('two exports are the same bytes, in another store and another id mode too; the second packs nothing', async (t) => {
  if (!(await requireBox(t))) return
  const env = { SOURCE_DATE_EPOCH: String(EPOCH) }
  const forms = ['compression=gzip,compression-level=9', 'compression=zstd,compression-level=7']
  const digests = forms.map(() => new Set<string>())
  for (const { mode } of ID_MODES) {
    const other = openCli(t)
    makeBase(other)
    const ctx = context(other)
    for (const [i, form] of forms.entries()) {
      const made = (...args: string[]) => layout(other, ctx, form, ['--userns', mode, ...args], env)
      const first = made()
      const files = () => first.manifest.layers.map((l) => statSync(blob(other.root, l.digest)).ino)
      const before = files()
      for (const l of [first, made(), made('--no-cache')]) digests[i]!.add(l.descriptor.digest)
      assert.deepEqual(files(), before)
    }
    assert.deepEqual(other.leftovers(), [])
  }
  for (const found of digests) assert.equal(found.size, 1)
})

test('a level changes the bytes and nothing else', async (t) => {
  if (!(await requireBox(t))) return
  const ctx = context()
  for (const kind of ['gzip', 'zstd']) {
    const [fast, best] = ['1', '9'].map((level) => layout(cli, ctx, `compression=${kind},compression-level=${level}`))
    assert.equal(best!.manifest.config.digest, fast!.manifest.config.digest)
    const size = (l: Layout) => l.manifest.layers.reduce((n, d) => n + d.size, 0)
    assert.ok(size(best!) < size(fast!), `${size(best!)} < ${size(fast!)}`)
  }
})

test('an image of the store is packed, run, built upon, and made plain again', async (t) => {
  if (!(await requireBox(t))) return
  const out = 'type=image,name=packed,compression=zstd,force-compression=true'
  const snapshots = () => cli.names('snapshots').flatMap((mode) => cli.names('snapshots', mode)).length
  cli.build(context(), ['-o', out])
  const before = snapshots()
  cli.build(context(), ['-o', `${out},unpack=true`])
  assert.ok(snapshots() > before, 'what COPY made is unpacked')
  assert.equal(cli.ok(['run', '--rm', 'packed']), 'content\n')
  const upon = writeContext(cli, { Dockerfile: 'FROM packed\nRUN cat /f > /g\n' })
  const kept = layout(cli, upon, 'compression=gzip')
  assert.deepEqual(
    types(kept).map((m) => m.split('+')[1]),
    ['zstd', 'zstd', 'zstd', 'zstd', 'gzip'],
  )
  const plain = layout(cli, upon, 'compression=uncompressed,force-compression=true')
  assert.deepEqual(new Set(types(plain)), new Set([`${OCI}.layer.v1.tar`]))
  assert.deepEqual(
    plain.manifest.layers.map((l) => l.digest),
    plain.config.rootfs.diff_ids,
  )
  const other = openCli(t)
  other.ok(['load', '-i', kept.dir])
  assert.equal(other.ok(['run', '--rm', 'example.com/made:1', 'cat', '/g']), 'content\n')
})

test('store=false makes the image and keeps no name of it', async (t) => {
  if (!(await requireBox(t))) return
  const images = cli.images()
  const { id } = cli.build(context(), ['-o', 'type=image,name=unkept,store=false'])
  assert.match(id, /^sha256:/)
  assert.deepEqual(cli.images(), images)
})

test("oci-mediatypes=false uses docker's media types, which skopeo reads", async (t) => {
  if (!(await requireBox(t))) return
  const made = layout(cli, context(), 'oci-mediatypes=false,compression=gzip,force-compression=true')
  assert.equal(made.descriptor.mediaType, `${DOCKER}.distribution.manifest.v2+json`)
  assert.equal(made.manifest.mediaType, `${DOCKER}.distribution.manifest.v2+json`)
  assert.equal(made.manifest.config.mediaType, `${DOCKER}.container.image.v1+json`)
  assert.deepEqual(new Set(types(made)), new Set([`${DOCKER}.image.rootfs.diff.tar.gzip`]))
  const other = openCli(t)
  other.ok(['load', '-i', made.dir])
  assert.equal(other.ok(['run', '--rm', 'example.com/made:1']), 'content\n')
  // A base of docker's types gives an image of OCI's.
  const upon = writeContext(other, { Dockerfile: 'FROM example.com/made:1\nRUN echo x > /x\n' })
  assert.deepEqual(types(layout(other, upon, 'compression=gzip')).at(0), `${OCI}.layer.v1.tar+gzip`)
  if (!requireProgram(t, 'skopeo')) return
  // In a layout skopeo looks for OCI's types only; docker's are for docker's archives.
  const file = join(cli.dir, 'docker-types.tar')
  cli.build(context(), ['-t', 'example.com/made:1', '-o', `type=docker,dest=${file},oci-mediatypes=false`])
  const config = runProgram('skopeo', ['inspect', '--config', '--raw', `docker-archive:${file}`])
  assert.equal(JSON.parse(config).rootfs.diff_ids.length, made.config.rootfs.diff_ids.length)
})

test('annotations are on the manifest and on its descriptor, for their platform only', async (t) => {
  if (!(await requireBox(t))) return
  const ctx = context()
  const plain = layout(cli, ctx, 'compression=uncompressed')
  const { architecture } = read(blob(plain.dir, plain.manifest.config.digest))
  const metadata = join(cli.dir, 'meta.json')
  const made = layout(cli, ctx, 'annotation.z=1,annotation-manifest-descriptor.d=on', [
    ...['--annotation', 'org.opencontainers.image.title=A title', '--annotation', 'manifest:a.B=c=d'],
    ...['--annotation', `manifest[linux/${architecture}]:mine=yes`, '--annotation', 'manifest[linux/s390x]:mine=no'],
    ...['--metadata-file', metadata],
  ])
  assert.deepEqual(Object.entries(made.manifest.annotations!), [
    ['a.B', 'c=d'],
    ['mine', 'yes'],
    ['org.opencontainers.image.title', 'A title'],
    ['z', '1'],
  ])
  assert.equal(made.descriptor.annotations!.d, 'on')
  assert.equal(made.descriptor.annotations!['org.opencontainers.image.ref.name'], 'example.com/made:1')
  assert.equal(made.manifest.config.digest, plain.manifest.config.digest)
  const said = read(metadata)
  assert.equal(said['containerimage.digest'], made.descriptor.digest)
  assert.equal(said['containerimage.descriptor'].digest, made.descriptor.digest)
  assert.equal(said['containerimage.descriptor'].annotations.d, 'on')
  assert.equal(said['containerimage.config.digest'], made.manifest.config.digest)
  assert.equal(said['image.name'], 'example.com/made:1')
  cli.build(ctx, ['-t', 'annotated', '--annotation', 'k=v'])
  const { files } = await savedImage(cli, 'annotated')
  const manifests = [...files].filter(([name]) => name.startsWith('blobs/')).map(([, text]) => String(text))
  assert.ok(manifests.some((text) => text.includes('"annotations":{"k":"v"}')))
})

test("rewrite-timestamp clamps the base's layers and history too", async (t) => {
  if (!(await requireBox(t))) return
  cli.build(writeContext(cli, { Dockerfile: 'FROM base\nRUN touch /late\n' }), ['-t', 'late'])
  const ctx = writeContext(cli, { Dockerfile: 'FROM late\nRUN echo x > /x\n' })
  const env = { SOURCE_DATE_EPOCH: String(EPOCH) }
  const latest = async (l: Layout) => {
    const tars = l.manifest.layers.map((d) => readTar(readFileSync(blob(l.dir, d.digest))))
    return Math.max(...(await Promise.all(tars)).flat().map((e) => e.mtimeSeconds))
  }
  const kept = layout(cli, ctx, 'rewrite-timestamp=false', [], env)
  assert.ok((await latest(kept)) > EPOCH)
  const made = layout(cli, ctx, 'rewrite-timestamp=true', [], env)
  assert.equal(await latest(made), EPOCH)
  assert.equal(made.manifest.layers.at(-1)!.digest, kept.manifest.layers.at(-1)!.digest)
  assert.notEqual(made.manifest.layers.at(-2)!.digest, kept.manifest.layers.at(-2)!.digest)
  for (const { created } of made.config.history) assert.ok(Date.parse(created) <= EPOCH * 1000)
  assert.equal(made.config.rootfs.diff_ids.length, made.manifest.layers.length)
  const other = openCli(t)
  other.ok(['load', '-i', made.dir])
  assert.equal(other.ok(['run', '--rm', 'example.com/made:1', 'cat', '/x']), 'x\n')
  const out = ['-o', `type=oci,dest=${cli.dir}/r.tar,rewrite-timestamp=true`]
  assertNothingLeft(other, () => other.run(['build', ...out, ctx]), {
    code: 1,
    message: /rewrite-timestamp=true needs SOURCE_DATE_EPOCH, which is not set/,
    hint: /git log/,
  })
  assert.ok(!existsSync(join(cli.dir, 'r.tar')))
})

test('several outputs at once have each their own form', async (t) => {
  if (!(await requireBox(t))) return
  const dir = mkdtempSync(join(cli.dir, 'several-'))
  mkdirSync(join(dir, 'd'))
  cli.build(context(), [
    ...['-o', `type=oci,dest=${dir}/g.tar,compression=gzip`, '-o', `type=oci,dest=${dir}/z.tar,compression=zstd`],
    ...['-o', `type=oci,dest=${dir}/p.tar`, '-o', `${dir}/d`, '-o', 'type=image,name=several'],
  ])
  const layers = async (file: string) => {
    const items = await readTar(readFileSync(join(dir, file)))
    const manifest = items
      .map((i) => String(i.content))
      .find((text) => text.includes(`"mediaType":"${OCI}.manifest`) && text.includes('"layers"'))
    return JSON.parse(manifest!).layers.at(-1).mediaType
  }
  assert.equal(await layers('g.tar'), `${OCI}.layer.v1.tar+gzip`)
  assert.equal(await layers('z.tar'), `${OCI}.layer.v1.tar+zstd`)
  assert.equal(await layers('p.tar'), `${OCI}.layer.v1.tar`)
  assert.equal(readFileSync(join(dir, 'd/f'), 'utf8'), 'content\n')
  assert.equal(cli.ok(['run', '--rm', 'several']), 'content\n')
})
