import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCacheFrom, parseCacheTo } from '../../src/cli/commands/build-cache.js'
import { parseCacheFilter } from '../../src/cli/commands/builder-filter.js'
import type { CacheFrom, CacheTo } from '../../src/engine/api.js'

const resolve = (path: string) => (path.startsWith('/') ? path : `/here/${path}`)
const D = `sha256:${'a'.repeat(64)}`
const local = { type: 'local', tag: undefined, digest: undefined } as const

const sources: [text: string, from: CacheFrom][] = [
  ['type=local,src=c', { ...local, src: '/here/c' }],
  [`type=local,source=/c,tag=x,digest=${D}`, { type: 'local', src: '/c', tag: 'x', digest: D }],
  ['app:1', { type: 'image', reference: 'app:1' }],
  ['type=inline,ref=app:1', { type: 'image', reference: 'app:1' }],
  ['type=inline,src=a.tar', { ...local, src: '/here/a.tar' }],
  ['oci-layout://dir:v1', { ...local, src: '/here/dir', tag: 'v1' }],
]
for (const [text, from] of sources)
  test(`--cache-from ${text.slice(0, 40)}`, () => assert.deepEqual(parseCacheFrom(text, resolve), from))

const to = (fields: Partial<CacheTo>): CacheTo =>
  ({
    type: 'local',
    dest: '/here/c',
    tag: 'latest',
    mode: 'min',
    compression: 'gzip',
    level: undefined,
    mounts: false,
    mountsLimitBytes: 2 * 1024 ** 3,
    ignoreError: true,
    ...fields,
  }) as CacheTo
const targets: [text: string, to: CacheTo][] = [
  ['type=local,dest=c', to({})],
  ['type=local,dest=c,mode=max', to({ mode: 'max', mounts: true })],
  ['type=local,dest=c,mode=max,mounts=false', to({ mode: 'max', mounts: false })],
  ['type=local,dest=c,mounts=true', to({ mounts: true })],
  ['type=local,dest=c,mounts=/Root/.cache,Npm,mode=max', to({ mode: 'max', mounts: ['/Root/.cache', 'Npm'] })],
  ['type=local,dest=c,"mounts=a,b",mounts-limit=1g', to({ mounts: ['a', 'b'], mountsLimitBytes: 1024 ** 3 })],
  ['type=local,dest=c,compression=zstd,compression-level=9', to({ compression: 'zstd', level: 9 })],
  [
    'type=local,dest=c,compression=uncompressed,ignore-error=false,tag=x',
    to({ compression: 'uncompressed', ignoreError: false, tag: 'x' }),
  ],
  ['type=local,dest=c,oci-mediatypes=true,image-manifest=true', to({})],
  ['type=inline', { type: 'inline' }],
]
for (const [text, wanted] of targets)
  test(`--cache-to ${text}`, () => assert.deepEqual(parseCacheTo(text, resolve), wanted))

const refused: [parse: (text: string, r: typeof resolve) => unknown, text: string, message: RegExp][] = [
  [parseCacheFrom, 'type=registry', /ref=IMAGE is required/],
  [parseCacheFrom, 'type=registry,ref=x,src=y', /unknown attribute "src" of type registry/],
  [parseCacheFrom, 'type=gha', /actions\/cache/],
  [parseCacheFrom, 'type=s3,bucket=x', /does not talk to S3/],
  [parseCacheFrom, 'type=azblob,name=x', /blob stores/],
  [parseCacheFrom, 'type=zip,src=x', /unknown type; there are local, inline/],
  [parseCacheFrom, 'src=x', /type is required/],
  [parseCacheFrom, 'type=local', /src=DIR is required/],
  [parseCacheFrom, 'type=local,src=x,colour=red', /unknown attribute "colour"/],
  [parseCacheFrom, 'type=local,src=x,digest=y', /digest is not sha256/],
  [parseCacheTo, 'dir', /type=local,dest=DIR/],
  [parseCacheTo, 'type=registry', /ref=IMAGE is required/],
  [parseCacheTo, 'type=registry,ref=x,dest=y', /unknown attribute "dest" of type registry/],
  [parseCacheTo, 'type=registry,ref=x,image-manifest=false', /image-manifest=false is not supported/],
  [parseCacheTo, 'type=local', /dest=DIR is required/],
  [parseCacheTo, 'type=local,dest=x,mode=most', /mode=most is not supported/],
  [parseCacheTo, 'type=local,dest=x,tag=a/b', /invalid tag/],
  [parseCacheTo, 'type=local,dest=x,compression=xz', /compression=xz is not supported/],
  [parseCacheTo, 'type=local,dest=x,compression=uncompressed,compression-level=1', /no compression-level/],
  [parseCacheTo, 'type=local,dest=x,mounts-limit=big', /mounts-limit is no size/],
  [parseCacheTo, 'type=local,dest=x,force-compression=true', /force-compression=true is not supported/],
  [parseCacheTo, 'type=local,dest=x,mode', /field "mode" must be key=value/],
  [parseCacheTo, 'type=inline,mode=max', /type=inline has no mode=max/],
]
for (const [parse, text, message] of refused)
  test(`${parse === parseCacheTo ? '--cache-to' : '--cache-from'} ${text} is refused`, () =>
    assert.throws(() => parse(text, resolve), message))

test('filters of du and prune are read as buildx reads them', () => {
  const all = parseCacheFilter([
    'until=1h30m',
    'type=regular',
    'id=^a',
    'description!=b.c',
    'immutable',
    'shared=false',
    'private',
  ])
  assert.equal(all.untilMs, 5_400_000)
  assert.deepEqual(all.type, ['regular'])
  assert.deepEqual([all.id[0]!.test('ab'), all.id[0]!.test('ba')], [true, false])
  assert.deepEqual([all.description[0]!.test('b.c'), all.description[0]!.test('bxc')], [false, true])
  assert.deepEqual(all.flags, [
    { name: 'mutable', value: false },
    { name: 'shared', value: false },
    { name: 'shared', value: false },
  ])
  assert.equal(parseCacheFilter(['type!=regular']).type.length, 3)
  for (const wrong of ['until=soon', 'type=x', 'colour=red', 'id=', 'id=(', 'shared=perhaps', 'parent=x'])
    assert.throws(() => parseCacheFilter([wrong]), /for "--filter" flag/, wrong)
})
