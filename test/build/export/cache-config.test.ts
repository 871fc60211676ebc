import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TsboxError } from '../../../src/base/error.js'
import {
  type CacheConfig,
  encodeCacheConfig,
  parseCacheConfig,
  parseInlineCache,
  TOC_TYPE,
} from '../../../src/build/export/cache-config.js'
import type { ImageManifest } from '../../../src/oci/manifest.js'
import { MEDIA } from '../../../src/oci/media-type.js'

const digest = (c: string) => `sha256:${c.repeat(64)}`
const key = (c: string) => c.repeat(64)
const manifest: ImageManifest = {
  schemaVersion: 2,
  config: { mediaType: 'x', digest: digest('0'), size: 1 },
  layers: [
    { mediaType: MEDIA.layerGzip, digest: digest('a'), size: 5 },
    { mediaType: TOC_TYPE, digest: digest('b'), size: 5 },
    { mediaType: MEDIA.layer, digest: digest('c'), size: 5 },
  ],
}
const valid = (): CacheConfig => ({
  version: 1,
  records: [
    { key: key('1'), created: 1, layer: 0, content: undefined, title: 'RUN x' },
    { key: key('2'), created: 1, layer: undefined, content: key('1'), title: undefined },
  ],
  layers: [{ digest: digest('a'), diffID: digest('d'), tarSize: 10, toc: digest('b') }],
  mounts: [
    { key: key('3'), id: '/m', mode: 0o755, uid: 5, gid: 6, digest: digest('c'), diffID: digest('c'), tarSize: 5 },
  ],
})

test('a cache config comes back as it was written', () => {
  assert.deepEqual(parseCacheConfig(encodeCacheConfig(valid()), manifest), valid())
})

type Item = Record<string, unknown>
type Loose = Item & { records: [Item, Item, ...unknown[]]; layers: [Item]; mounts: [Item] }

const faults: [what: string, change: (config: Loose) => void][] = [
  ['another version', (c) => Object.assign(c, { version: 2 })],
  ['no records', (c) => Object.assign(c, { records: undefined })],
  ['a record that is none', (c) => c.records.push(null)],
  ['a key that is a path', (c) => Object.assign(c.records[0], { key: '../x' })],
  ['a time that is none', (c) => Object.assign(c.records[0], { created: -1 })],
  ['a layer that is not there', (c) => Object.assign(c.records[0], { layer: 1 })],
  ['a layer that is a fraction', (c) => Object.assign(c.records[0], { layer: 0.5 })],
  ['a content key that is none', (c) => Object.assign(c.records[1], { content: 'x' })],
  ['a title without end', (c) => Object.assign(c.records[0], { title: 'x'.repeat(5000) })],
  ['a diffID that is none', (c) => Object.assign(c.layers[0], { diffID: 'sha256:x' })],
  ['a size that is none', (c) => Object.assign(c.layers[0], { tarSize: '10' })],
  ['a blob that the manifest has not', (c) => Object.assign(c.layers[0], { digest: digest('e') })],
  ['a blob that is no layer', (c) => Object.assign(c.layers[0], { digest: digest('b') })],
  ['a table of contents that is none', (c) => Object.assign(c.layers[0], { toc: digest('a') })],
  ['a mount with an owner that is none', (c) => Object.assign(c.mounts[0], { uid: -1 })],
  ['a mount with a mode that is none', (c) => Object.assign(c.mounts[0], { mode: 0o10000 })],
  ['a mount without a blob', (c) => Object.assign(c.mounts[0], { digest: undefined })],
]

for (const [what, change] of faults)
  test(`a cache config with ${what} is refused`, () => {
    const config = valid() as unknown as Loose
    change(config)
    const bytes = new TextEncoder().encode(JSON.stringify(config))
    assert.throws(
      () => parseCacheConfig(bytes, manifest),
      (err) => err instanceof TsboxError && err.code === 'E_CACHE_INVALID',
    )
  })

test('an image without an inline cache has none, and one with a wrong one is refused', () => {
  const image = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers' as const, diff_ids: [digest('d')] } }
  assert.equal(parseInlineCache(image), undefined)
  const withCache = (value: unknown) => ({ ...image, 'tsbox.cache.v1': value })
  const record = { key: key('1'), created: 1, layer: 0 }
  assert.equal(parseInlineCache(withCache({ records: [record] }))?.length, 1)
  for (const wrong of [null, 5, {}, { records: [{ ...record, layer: 1 }] }])
    assert.throws(() => parseInlineCache(withCache(wrong)), /read cache/)
})
