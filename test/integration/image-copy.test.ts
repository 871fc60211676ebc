/** Images copied between registries, archives and folders beside skopeo, and signed. */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { onPath, sharedCli, writeContext } from '../helpers/cli.js'
import { cleanHome, type DockerRegistry, REGISTRY_PROGRAMS, startRegistry } from '../helpers/docker-registry.js'
import { requireProgram, runProgram } from '../helpers/programs.js'

const base = sharedCli()
const env = cleanHome(base.dir)
const cli = base.with(env)
const has = REGISTRY_PROGRAMS.every(([program]) => onPath(program))
let first: DockerRegistry
let second: DockerRegistry
let digest: string

before(async () => {
  if (!has) return
  first = await startRegistry(join(cli.dir, 'first'))
  second = await startRegistry(join(cli.dir, 'second'))
  const context = writeContext(cli, {
    Dockerfile: 'FROM scratch\nCOPY a /a\nCOPY b /b\nCMD ["/a"]\n',
    a: 'one\n',
    b: 'two\n'.repeat(9000),
  })
  cli.build(context, ['-t', `${first.host}/team/made:1`])
  digest = /sha256:[0-9a-f]{64}/.exec(cli.ok(['push', `${first.host}/team/made:1`]))![0]
})
after(async () => {
  await first?.stop()
  await second?.stop()
})

function required(t: TestContext, ...more: string[]): boolean {
  return (
    REGISTRY_PROGRAMS.every(([program, name]) => requireProgram(t, program, name)) &&
    more.every((program) => requireProgram(t, program))
  )
}

const made = () => `docker://${first.host}/team/made:1`
const path = (name: string) => join(cli.dir, name)
const copy = (...args: string[]) => cli.ok(['image', 'copy', '-q', ...args]).trim()
const skopeo = (...args: string[]) => runProgram('skopeo', args, { env: { ...process.env, ...env } }).toString()
const digestBySkopeo = (name: string) =>
  JSON.parse(skopeo('inspect', '--tls-verify=false', '--override-os', 'linux', name)).Digest as string

test('from registry to registry, byte for byte, and nothing that is there is sent again', (t) => {
  if (!required(t, 'skopeo')) return
  assert.equal(copy(made(), `${second.host}/other/made:2`), digest)
  assert.equal(digestBySkopeo(`docker://${second.host}/other/made:2`), digest)
  const again = cli.run(['image', 'copy', made(), `${second.host}/other/made:3`])
  assert.equal(again.code, 0, again.stderr)
  assert.equal(again.stderr.match(/is there/g)?.length, 3)
  // Within one registry blobs are taken over.
  assert.equal(copy(made(), `${first.host}/team/second:1`), digest)
  assert.deepEqual(cli.leftovers(), [])
})

test('to a layout folder, an OCI archive, a dir, and back', (t) => {
  if (!required(t, 'skopeo')) return
  for (const [place, seen] of [
    [`oci:${path('layout')}:v1`, `oci:${path('layout')}:v1`],
    [`oci-archive:${path('a.tar')}:v1`, `oci-archive:${path('a.tar')}:v1`],
    [`dir:${path('folder')}`, `dir:${path('folder')}`],
  ] as const) {
    assert.equal(copy(made(), place), digest)
    assert.equal(digestBySkopeo(seen), digest)
    const back = `${second.host}/back/${place.split(':')[0]}:1`
    assert.equal(copy(place, back), digest)
    assert.equal(digestBySkopeo(`docker://${back}`), digest)
  }
  assert.equal(copy(made(), `oci:${path('layout')}:v2`), digest)
  const tags = JSON.parse(readFileSync(join(path('layout'), 'index.json'), 'utf8')).manifests.map(
    (m: { annotations: Record<string, string> }) => m.annotations['org.opencontainers.image.ref.name'],
  )
  assert.deepEqual(tags, ['v1', 'v2'])
})

test("to docker's archive and back", (t) => {
  if (!required(t, 'skopeo')) return
  copy(made(), `docker-archive:${path('d.tar')}:made:1`)
  const config = (name: string) => JSON.parse(skopeo('inspect', '--config', '--raw', name))
  const ours = config(`docker-archive:${path('d.tar')}`)
  assert.deepEqual(ours, JSON.parse(skopeo('inspect', '--tls-verify=false', '--config', '--raw', made())))
  const back = copy(`docker-archive:${path('d.tar')}:made:1`, `${second.host}/back/docker:1`)
  assert.equal(digestBySkopeo(`docker://${second.host}/back/docker:1`), back)
  const other = cli.ok(['load', '-i', path('d.tar')])
  assert.match(other, /Loaded image: made:1/)
})

test('what skopeo wrote is read', (t) => {
  if (!required(t, 'skopeo')) return
  skopeo('copy', '-q', '--src-tls-verify=false', made(), `dir:${path('theirs')}`)
  assert.equal(copy(`dir:${path('theirs')}`, `${second.host}/theirs/dir:1`), digest)
  skopeo('copy', '-q', '--src-tls-verify=false', made(), `oci-archive:${path('theirs.tar')}:x`)
  assert.equal(copy(`oci-archive:${path('theirs.tar')}`, `${second.host}/theirs/oci:1`), digest)
})

test('an index goes whole with --all, and by platform without', (t) => {
  if (!required(t, 'skopeo')) return
  const dir = path('multi')
  copy(made(), `oci:${dir}:one`)
  const index = JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8'))
  const { mediaType, digest: child, size } = index.manifests[0]
  const platforms = [
    { architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' },
    { architecture: 's390x', os: 'linux' },
  ]
  const multi = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: platforms.map((platform) => ({ mediaType, digest: child, size, platform })),
  })
  const sha = createHash('sha256').update(multi).digest('hex')
  writeFileSync(join(dir, 'blobs/sha256', sha), multi)
  const entry = { mediaType: 'application/vnd.oci.image.index.v1+json', digest: `sha256:${sha}`, size: multi.length }
  const named = { ...entry, annotations: { 'org.opencontainers.image.ref.name': 'multi' } }
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ ...index, manifests: [...index.manifests, named] }))
  assert.equal(copy('--all', `oci:${dir}:multi`, `${second.host}/multi/all:1`), `sha256:${sha}`)
  assert.equal(copy('--all', `${second.host}/multi/all:1`, `dir:${path('multi-dir')}`), `sha256:${sha}`)
  assert.equal(copy('--all', `dir:${path('multi-dir')}`, `${first.host}/multi/all:1`), `sha256:${sha}`)
  assert.equal(copy(`${second.host}/multi/all:1`, `${second.host}/multi/one:1`), digest)
  const { code, stderr } = cli.run([
    'image',
    'copy',
    '--platform',
    'linux/arm/v6',
    `${second.host}/multi/all:1`,
    `dir:${path('none')}`,
  ])
  assert.equal(code, 1)
  assert.match(stderr, /none for "linux\/arm\/v6" is there.*linux\/s390x/s)
})

test('what can not be copied leaves nothing behind', (t) => {
  if (!required(t)) return
  const fails = (from: string, to: string, message: RegExp) => {
    const { code, stderr } = cli.run(['image', 'copy', from, to])
    assert.equal(code, 1)
    assert.match(stderr, message)
  }
  fails(`${first.host}/team/nothing:1`, `oci-archive:${path('x.tar')}`, /nothing/)
  assert.ok(!existsSync(path('x.tar')))
  fails('containers-storage:x', `dir:${path('y')}`, /a transport that tsbox has not: "containers-storage"/)
  fails(made(), 'oci:', /a path is missing/)
  writeFileSync(path('plain'), 'no archive')
  fails(`oci-archive:${path('plain')}`, `dir:${path('y')}`, /no tar/)
  copy(made(), `dir:${path('broken')}`)
  const blob = JSON.parse(readFileSync(join(path('broken'), 'manifest.json'), 'utf8')).layers[0].digest.slice(7)
  writeFileSync(join(path('broken'), blob), 'changed')
  fails(`dir:${path('broken')}`, `${second.host}/broken:1`, /other content than its digest/)
  rmSync(join(path('broken'), blob))
  fails(`dir:${path('broken')}`, `${second.host}/broken:1`, /a blob is missing/)
  assert.deepEqual(cli.leftovers(), [])
})

for (const [kind, make] of [
  ['EC', () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' })],
  ['Ed25519', () => generateKeyPairSync('ed25519')],
] as const)
  test(`signed and verified with a key of ${kind}`, (t) => {
    if (!required(t)) return
    const { privateKey, publicKey } = make()
    const name = `${first.host}/signed/${kind.toLowerCase()}:1`
    copy(made(), name)
    writeFileSync(path(`${kind}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(path(`${kind}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
    const unsigned = cli.run(['image', 'verify-signature', '--key', path(`${kind}.pub`), name])
    assert.equal(unsigned.code, 1)
    assert.match(unsigned.stderr, /verify signature: none of sha256:\w+ is by the key/)
    assert.equal(cli.ok(['image', 'sign', '--key', path(`${kind}.key`), '-a', 'by=me', name]).trim(), digest)
    assert.equal(cli.ok(['image', 'verify-signature', '--key', path(`${kind}.pub`), name]).trim(), digest)
    const other = path('other.pub')
    writeFileSync(other, generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }))
    assert.equal(cli.run(['image', 'verify-signature', '--key', other, name]).code, 1)
    assert.equal(
      cli.ok(['image', 'verify-signature', '--key', other, '--key', path(`${kind}.pub`), name]).trim(),
      digest,
    )
    // A signature of one repository says nothing of another.
    const moved = `${first.host}/stolen/${kind.toLowerCase()}`
    copy(name, `${moved}:1`)
    copy(`${name.replace(/:1$/, '')}:sha256-${digest.slice(7)}.sig`, `${moved}:sha256-${digest.slice(7)}.sig`)
    assert.equal(cli.run(['image', 'verify-signature', '--key', path(`${kind}.pub`), `${moved}:1`]).code, 1)
  })

test('two keys sign one image, and a bad key is told', (t) => {
  if (!required(t)) return
  const keys = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }))
  keys.forEach(({ privateKey, publicKey }, i) => {
    writeFileSync(
      path(`k${i}`),
      privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'words' }),
    )
    writeFileSync(path(`k${i}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
    cli.ok(['image', 'sign', '--key', path(`k${i}`), `${first.host}/team/made:1`], {
      env: { COSIGN_PASSWORD: 'words' },
    })
  })
  for (const i of [0, 1]) cli.ok(['image', 'verify-signature', '--key', path(`k${i}.pub`), `${first.host}/team/made:1`])
  const locked = cli.run(['image', 'sign', '--key', path('k0'), `${first.host}/team/made:1`])
  assert.match(locked.stderr, /its passphrase is missing or wrong.*COSIGN_PASSWORD/s)
  assert.match(cli.run(['image', 'sign', '--key', path('nokey'), 'x']).stderr, /it does not exist/)
  const options = cli.run(['image', 'sign', `${first.host}/team/made:1`])
  assert.equal(options.code, 125)
})
