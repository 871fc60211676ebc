import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chainID } from '../../src/oci/chain-id.js'
import { digestHex, parseDigest } from '../../src/oci/digest.js'
import { formatTime, historyLines, parseConfig } from '../../src/oci/image-config.js'
import { encodeManifest, isIndex, parseManifest } from '../../src/oci/manifest.js'
import { isLayerType, MEDIA } from '../../src/oci/media-type.js'
import { nodeSha256 } from '../../src/util/hash.js'

const d = (c: string) => `sha256:${c.repeat(64)}`
const descriptor = { mediaType: 'application/x', digest: d('a'), size: 1 }
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

const badDigests: [string, string][] = [
  ['', 'E_DIGEST_INVALID'],
  ['sha256:abc', 'E_DIGEST_INVALID'],
  [`sha256:${'A'.repeat(64)}`, 'E_DIGEST_INVALID'],
  [`sha256:../${'a'.repeat(61)}`, 'E_DIGEST_INVALID'],
  [`sha512:${'a'.repeat(128)}`, 'E_DIGEST_UNSUPPORTED'],
]
for (const [text, code] of badDigests)
  test(`parseDigest() refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
    assert.throws(() => parseDigest(text), { code })
    assert.throws(() => digestHex(text), { code })
  })

test('chainID() is the one of the specification', () => {
  assert.equal(chainID(nodeSha256, [d('a')]), d('a'))
  const two = `sha256:${nodeSha256()
    .update(`${d('a')} ${d('b')}`)
    .hex()}`
  assert.equal(chainID(nodeSha256, [d('a'), d('b')]), two)
  assert.equal(
    chainID(nodeSha256, [d('a'), d('b'), d('c')]),
    `sha256:${nodeSha256()
      .update(`${two} ${d('c')}`)
      .hex()}`,
  )
  assert.throws(() => chainID(nodeSha256, []), { code: 'E_NO_LAYERS' })
})

test('parseManifest() tells a manifest from an index', () => {
  assert.ok(!isIndex(parseManifest(encodeManifest(descriptor, [descriptor]))))
  assert.ok(isIndex(parseManifest(bytes({ schemaVersion: 2, manifests: [descriptor] }))))
})

const badManifests: [what: string, value: unknown][] = [
  ['both layers and manifests', { schemaVersion: 2, config: descriptor, layers: [], manifests: [] }],
  ['schema 1', { schemaVersion: 1, config: descriptor, layers: [] }],
  ['no config', { schemaVersion: 2, layers: [] }],
  ['an index that says it is a manifest', { schemaVersion: 2, mediaType: MEDIA.manifest, manifests: [] }],
  ['a manifest that says it is an index', { schemaVersion: 2, mediaType: MEDIA.index, config: descriptor, layers: [] }],
  ['a negative size', { schemaVersion: 2, config: { ...descriptor, size: -1 }, layers: [] }],
  ['a digest that is a path', { schemaVersion: 2, config: { ...descriptor, digest: '../../x' }, layers: [] }],
  ['a list', []],
  ['null', null],
]
for (const [what, value] of badManifests)
  test(`parseManifest() refuses ${what}`, () => {
    assert.throws(() => parseManifest(bytes(value)), { code: 'E_MANIFEST_INVALID' })
  })

test('historyLines() gives layers to the lines that made them', () => {
  const config = parseConfig(
    bytes({
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [d('a'), d('b'), d('c')] },
      history: [{ created_by: 'one' }, { created_by: 'env', empty_layer: true }, { created_by: 'two' }],
    }),
  )
  assert.deepEqual(
    historyLines(config).map((l) => [l.entry.created_by, l.diffID]),
    [
      ['one', d('a')],
      ['env', undefined],
      ['two', d('b')],
      [undefined, d('c')],
    ],
  )
})

for (const value of [
  {},
  { os: 'linux', architecture: 'amd64' },
  { os: 'l', architecture: 'a', rootfs: { diff_ids: ['x'] } },
])
  test(`parseConfig() refuses ${JSON.stringify(value)}`, () => {
    assert.throws(() => parseConfig(bytes(value)), { code: 'E_CONFIG_INVALID' })
  })

test('isLayerType() knows the types of both worlds', () => {
  for (const type of [MEDIA.layer, MEDIA.layerGzip, MEDIA.layerZstd, MEDIA.dockerLayer, MEDIA.dockerLayerGzip])
    assert.ok(isLayerType(type), type)
  assert.ok(isLayerType('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'))
  assert.ok(!isLayerType(MEDIA.config))
})

test('formatTime() writes whole seconds', () => {
  assert.equal(formatTime(0), '1970-01-01T00:00:00Z')
})
