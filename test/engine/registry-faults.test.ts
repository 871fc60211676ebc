/** Pull and push against a registry that misbehaves: each fault ends in success by trying again, or in one clear error. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NodeImages } from '../../src/engine/images/node-images.js'
import type { PackDeps } from '../../src/engine/layers/pack.js'
import { NodeRegistry } from '../../src/engine/registry/node-registry.js'
import { MEDIA } from '../../src/oci/media-type.js'
import { Registry } from '../../src/registry/registry.js'
import { type Asked, BadRegistry, type Fault, refuse, sha256 } from '../helpers/bad-registry.js'
import { allText } from '../helpers/docker-registry.js'
import { withImages } from '../helpers/images.js'
import { tempDir } from '../helpers/temp.js'
import { listen } from '../helpers/web.js'

const BIG = 700_000
const SECRET = 'hunter2-hunter2'
const RETRY = { attempts: 4, baseMs: 1, maxMs: 5, maxAskedMs: 2_000 }

async function setting(t: TestContext) {
  const bad = await BadRegistry.start(t)
  const { deps, store, lease, root } = withImages(t)
  const registry = await Registry.open({
    env: {},
    etc: tempDir(t),
    retry: RETRY,
    credential: async () => ({ username: 'alice', password: SECRET }),
  })
  t.after(() => registry.close())
  const packing = async (): Promise<PackDeps> => {
    throw new Error('nothing is to be packed here')
  }
  const engine = new NodeRegistry({ ...deps, registry: async () => registry, packing })
  const { signal } = new AbortController()
  const name = `${bad.host}/a/b:1`
  const pull = () => engine.pull({ reference: name, allTags: false, signal }, () => {})
  const push = () => engine.push({ reference: name, allTags: false, form: {}, signal }, () => {})
  /** Nothing half done is in the store, and everything that is there is what it should be. */
  const sound = async () => {
    const folder = (dir: string) => {
      try {
        return readdirSync(join(root, dir))
      } catch {
        return []
      }
    }
    assert.deepEqual(
      folder('downloads').filter((f) => f.endsWith('.claim')),
      [],
    )
    for (const hex of folder('blobs/sha256')) assert.equal(store.blobs.read(`sha256:${hex}`).length > 0, true)
    for (const image of store.images.list()) await new NodeImages(deps).inspect(image.name ?? image.config)
  }
  return { bad, store, lease, deps, root, name, pull, push, sound }
}

const isBlob = ({ method, path }: Asked, digest: string) => method === 'GET' && path.endsWith(`/blobs/${digest}`)

/** Sends a part of a blob, from where it was asked for, and breaks the connection. */
function cut(res: ServerResponse, blob: Buffer, { range }: Asked, bytes: number): true {
  const from = Number(/\d+/.exec(range ?? '0')![0])
  const contentRange = { 'content-range': `bytes ${from}-${blob.length - 1}/${blob.length}` }
  res.writeHead(from ? 206 : 200, { 'content-length': blob.length - from, ...(from ? contentRange : {}) })
  res.write(blob.subarray(from, from + bytes), () => setTimeout(() => res.destroy(), 5))
  return true
}

function send(
  res: ServerResponse,
  status: number,
  body: Uint8Array,
  headers: Record<string, string | number> = {},
): true {
  res.writeHead(status, { 'content-length': body.length, ...headers }).end(body)
  return true
}

type Setting = Awaited<ReturnType<typeof setting>>
type Image = ReturnType<BadRegistry['putImage']>

/** Faults of one request that go away: `once` is asked until it answers true. */
function once(match: (asked: Asked) => boolean, answer: (asked: Asked, res: ServerResponse) => boolean): Fault {
  let done = false
  return (asked, res) => {
    if (done || !match(asked)) return undefined
    done = true
    return answer(asked, res)
  }
}

const passing: [what: string, fault: (s: Setting, image: Image) => Fault][] = [
  [
    'a connection that is cut at byte 0',
    ({ bad }, { layers }) =>
      once(
        (a) => isBlob(a, layers[0]!),
        (a, res) => cut(res, bad.blobs.get(layers[0]!)!, a, 0),
      ),
  ],
  [
    'connections that are cut every 300 kB',
    ({ bad }, { layers }) =>
      (a, res) =>
        isBlob(a, layers[0]!) && cut(res, bad.blobs.get(layers[0]!)!, a, 300_000),
  ],
  [
    'a body that is shorter than it should be',
    ({ bad }, { layers }) =>
      once(
        (a) => isBlob(a, layers[0]!),
        (_, res) => send(res, 200, bad.blobs.get(layers[0]!)!.subarray(0, 1000)),
      ),
  ],
  [
    'a body that is longer than it should be',
    ({ bad }, { layers }) =>
      once(
        (a) => isBlob(a, layers[0]!),
        (_, res) => send(res, 200, Buffer.concat([bad.blobs.get(layers[0]!)!, Buffer.from('more')])),
      ),
  ],
  [
    'other bytes of the right length',
    (_, { layers, manifest }) =>
      once(
        (a) => isBlob(a, layers[0]!),
        (_a, res) => send(res, 200, randomBytes(manifest.layers[0]!.size)),
      ),
  ],
  [
    'a part of another place',
    ({ bad }, { layers }) => {
      const blob = bad.blobs.get(layers[0]!)!
      return (a, res) => {
        if (!isBlob(a, layers[0]!)) return undefined
        if (a.range === undefined) return bad.count(/blobs/) <= 2 ? cut(res, blob, a, 300_000) : undefined
        return send(res, 206, blob.subarray(5), { 'content-range': `bytes 5-${blob.length - 1}/${blob.length}` })
      }
    },
  ],
  [
    'a part that is not what it says',
    ({ bad }, { layers }) => {
      const blob = bad.blobs.get(layers[0]!)!
      let parts = 0
      return (a, res) => {
        if (!isBlob(a, layers[0]!) || (a.range === undefined && parts > 0)) return undefined
        if (a.range === undefined) return cut(res, blob, a, 300_000)
        parts++
        const from = Number(/\d+/.exec(a.range)![0])
        return send(res, 206, randomBytes(blob.length - from), {
          'content-range': `bytes ${from}-${blob.length - 1}/${blob.length}`,
        })
      }
    },
  ],
  [
    'a range that is not honoured',
    ({ bad }, { layers }) => {
      const blob = bad.blobs.get(layers[0]!)!
      return (a, res) =>
        isBlob(a, layers[0]!) && (a.range === undefined ? cut(res, blob, a, 300_000) : send(res, 200, blob))
    },
  ],
  ...[429, 500, 502, 503, 408].map((status): [string, () => Fault] => [
    `a ${status}`,
    () =>
      once(
        () => true,
        (_, res) => {
          refuse(res, status, 'TOOMANYREQUESTS', { 'retry-after': '0' })
          return true
        },
      ),
  ]),
  [
    '503 for everything, each first time',
    () => {
      const seen = new Set<string>()
      return ({ method, path }, res) => {
        const first = !seen.has(method + path)
        seen.add(method + path)
        if (first) refuse(res, 503)
        return first
      }
    },
  ],
  [
    'a connection that is closed instead of an answer',
    () =>
      once(
        () => true,
        (_, res) => {
          res.destroy()
          return true
        },
      ),
  ],
]

for (const [what, fault] of passing)
  test(`a pull outlives ${what}`, async (t) => {
    const s = await setting(t)
    const image = s.bad.putImage('a/b:1', [BIG, 1000])
    s.bad.fault = fault(s, image)
    const [pulled] = await s.pull()
    assert.equal(pulled!.digest, image.digest)
    assert.equal(pulled!.imageID, image.config)
    for (const layer of image.layers) assert.ok(s.store.blobs.has(layer))
    await s.sound()
  })

const lasting: [what: string, fault: (s: Setting, image: Image) => Fault, code: string, message: RegExp][] = [
  [
    'a blob that always ends at once',
    ({ bad }, { layers }) =>
      (a, res) =>
        isBlob(a, layers[0]!) && cut(res, bad.blobs.get(layers[0]!)!, a, 0),
    'E_REGISTRY_UNREACHABLE',
    /can't be reached/,
  ],
  [
    'a blob that is always too short',
    ({ bad }, { layers }) =>
      (a, res) =>
        isBlob(a, layers[0]!) && send(res, 200, bad.blobs.get(layers[0]!)!.subarray(0, 9)),
    'E_DIGEST_MISMATCH',
    /gives 9 bytes instead of 7\d+/,
  ],
  [
    'other bytes, always',
    (_, { layers, manifest }) =>
      (a, res) =>
        isBlob(a, layers[0]!) && send(res, 200, randomBytes(manifest.layers[0]!.size)),
    'E_DIGEST_MISMATCH',
    /its content has another digest/,
  ],
  [
    'a body without an end',
    (_, { layers }) =>
      (a, res) => {
        if (!isBlob(a, layers[0]!)) return undefined
        const more = () => {
          while (!res.destroyed && res.write(Buffer.alloc(1 << 16)));
        }
        res.on('drain', more)
        more()
        return true
      },
    'E_DIGEST_MISMATCH',
    /it is longer than 7\d+ bytes/,
  ],
  [
    'a manifest of 10 MB',
    () => (a, res) =>
      a.path.includes('/manifests/') && send(res, 200, Buffer.alloc(10 << 20, ' '), { 'content-type': MEDIA.manifest }),
    'E_REGISTRY_ANSWER',
    /more than 4194304 bytes/,
  ],
  [
    'a manifest of 10 MB that says nothing of its length',
    () => (a, res) => {
      if (!a.path.includes('/manifests/')) return undefined
      res.writeHead(200, { 'content-type': MEDIA.manifest }).end(Buffer.alloc(10 << 20, ' '))
      return true
    },
    'E_REGISTRY_ANSWER',
    /more than 4194304 bytes/,
  ],
  [
    'a manifest with another digest than its header says',
    ({ bad }) =>
      (a, res) =>
        a.path.includes('/manifests/') &&
        send(res, 200, bad.manifests.get('a/b:1')!.bytes, {
          'content-type': MEDIA.manifest,
          'docker-content-digest': sha256(Buffer.from('x')),
        }),
    'E_DIGEST_MISMATCH',
    /its digest is/,
  ],
  [
    'a manifest that is sent as an index',
    ({ bad }) =>
      (a, res) =>
        a.path.includes('/manifests/') &&
        send(res, 200, bad.manifests.get('a/b:1')!.bytes, { 'content-type': MEDIA.index }),
    'E_MANIFEST_INVALID',
    /sent as .*image\.index.* says that it is .*image\.manifest/,
  ],
  [
    'a page of a login portal',
    () => (a, res) =>
      a.path.includes('/manifests/') && send(res, 200, Buffer.from('<html>'), { 'content-type': 'text/html' }),
    'E_MANIFEST_INVALID',
    /not JSON/,
  ],
  ['a 401 that asks for nothing', () => (_, res) => refuse(res, 401), 'E_REGISTRY_DENIED', /access denied/],
  [
    'a 401 for ever',
    () => (a, res) =>
      a.path.startsWith('/v2/') ? refuse(res, 401, '', { 'www-authenticate': 'Basic realm="x"' }) : undefined,
    'E_REGISTRY_DENIED',
    /access denied/,
  ],
  [
    'a 403',
    () => (_, res) => refuse(res, 403, 'DENIED'),
    'E_REGISTRY_DENIED',
    /access denied.*\(403 DENIED: told by the test\)/,
  ],
  [
    'a 404',
    () => (_, res) => refuse(res, 404, 'NAME_UNKNOWN'),
    'E_REGISTRY_NOT_FOUND',
    /answered 404 NAME_UNKNOWN: told by the test/,
  ],
  [
    'a blob that is not there',
    (_, { layers }) =>
      (a, res) =>
        isBlob(a, layers[0]!) ? refuse(res, 404, 'BLOB_UNKNOWN') : undefined,
    'E_REGISTRY_NOT_FOUND',
    /404 BLOB_UNKNOWN/,
  ],
  ['a 500 for ever', () => (_, res) => refuse(res, 500, 'UNKNOWN'), 'E_REGISTRY_BUSY', /500 UNKNOWN/],
  [
    'a 429 that asks for an hour',
    () => (_, res) => refuse(res, 429, 'TOOMANYREQUESTS', { 'retry-after': '3600' }),
    'E_REGISTRY_BUSY',
    /429 TOOMANYREQUESTS/,
  ],
  [
    'redirects in a circle',
    (_, { layers }) =>
      (a, res) =>
        isBlob(a, layers[0]!) ? refuse(res, 307, '', { location: a.path }) : undefined,
    'E_REGISTRY_ANSWER',
    /more than 5 redirects/,
  ],
  [
    'a redirect to a file',
    (_, { layers }) =>
      (a, res) =>
        isBlob(a, layers[0]!) ? refuse(res, 307, '', { location: 'file:///etc/passwd' }) : undefined,
    'E_REGISTRY_ANSWER',
    /no HTTPS one/,
  ],
]

for (const [what, fault, code, message] of lasting)
  test(`a pull ends with one error at ${what}`, async (t) => {
    const s = await setting(t)
    const image = s.bad.putImage('a/b:1', [BIG, 1000])
    s.bad.fault = fault(s, image)
    const err = await s.pull().catch((e: unknown) => e as Error & { code: string })
    assert.ok(err instanceof Error, 'it fails')
    assert.match(err.message, message)
    assert.equal(err.code, code, err.message)
    assert.doesNotMatch(err.stack!, new RegExp(SECRET))
    await s.sound()
    assert.deepEqual(s.store.images.list(), [])
    // The same store takes it as soon as the registry is well.
    s.bad.fault = () => undefined
    assert.equal((await s.pull())[0]!.digest, image.digest)
    await s.sound()
  })

/** Images that are wrong in themselves. */
const wrong: [what: string, put: (bad: BadRegistry) => void, code: string][] = [
  [
    'both layers and manifests (CVE-2021-41190)',
    (bad) => bad.putImage('a/b:1', [9], { manifests: [] }),
    'E_MANIFEST_INVALID',
  ],
  [
    'an index that says it is a manifest',
    (bad) => bad.putManifest('a/b:1', { schemaVersion: 2, mediaType: MEDIA.manifest, manifests: [] }, MEDIA.index),
    'E_MANIFEST_INVALID',
  ],
  [
    'a configuration whose digest is wrong',
    (bad) => {
      const { config } = bad.putImage('a/b:1', [9])
      bad.blobs.set(config, Buffer.alloc(bad.blobs.get(config)!.length, ' '))
    },
    'E_DIGEST_MISMATCH',
  ],
  [
    'an index that points to itself',
    (bad) => {
      const digest = sha256(Buffer.from('itself'))
      const index = {
        schemaVersion: 2,
        mediaType: MEDIA.index,
        manifests: [{ mediaType: MEDIA.index, digest, size: 9, platform: { os: 'linux', architecture: 'amd64' } }],
      }
      bad.putManifest('a/b:1', index, MEDIA.index)
      bad.manifests.set(`a/b:${digest}`, bad.manifests.get('a/b:1')!)
    },
    'E_DIGEST_MISMATCH',
  ],
  [
    'indexes in indexes',
    (bad) => {
      let inner = bad.putImage('a/b:0', [9]).digest
      for (let i = 0; i < 5; i++) {
        const { length: size } = bad.manifests.get(`a/b:${inner}`)!.bytes
        const manifests = [
          { mediaType: MEDIA.index, digest: inner, size, platform: { os: 'linux', architecture: 'amd64' } },
        ]
        inner = bad.putManifest('a/b:1', { schemaVersion: 2, mediaType: MEDIA.index, manifests }, MEDIA.index)
      }
    },
    'E_MANIFEST_INVALID',
  ],
  [
    "docker's schema 1",
    (bad) =>
      bad.putManifest(
        'a/b:1',
        { schemaVersion: 1, fsLayers: [] },
        'application/vnd.docker.distribution.manifest.v1+prettyjws',
      ),
    'E_MANIFEST_SCHEMA1',
  ],
  [
    'a foreign layer',
    (bad) =>
      bad.putImage('a/b:1', [], {
        layers: [
          {
            mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
            digest: sha256(Buffer.from('x')),
            size: 1,
            urls: ['http://x'],
          },
        ],
      }),
    'E_FOREIGN_LAYER',
  ],
  [
    'an unknown kind of layer',
    (bad) =>
      bad.putImage('a/b:1', [], {
        layers: [{ mediaType: 'application/x-cpio', digest: sha256(Buffer.from('x')), size: 1 }],
      }),
    'E_LAYER_TYPE',
  ],
  ['an artifact', (bad) => bad.putImage('a/b:1', [9], { artifactType: 'application/sbom' }), 'E_NOT_AN_IMAGE'],
  [
    'fewer layers than the configuration has',
    (bad) => bad.putImage('a/b:1', [9], { layers: [] }),
    'E_MANIFEST_INVALID',
  ],
  [
    'a layer that is another one than the configuration says',
    (bad) => {
      const other = bad.putImage('a/b:2', [500])
      bad.putImage('a/b:1', [9], { layers: other.manifest.layers })
    },
    'E_DIGEST_MISMATCH',
  ],
  [
    'a layer that is no gzip',
    (bad) => {
      const rubbish = bad.put(randomBytes(5000))
      bad.putImage('a/b:1', [9], { layers: [{ mediaType: MEDIA.layerGzip, ...rubbish }] })
    },
    'E_UNPACK',
  ],
]

for (const [what, put, code] of wrong)
  test(`refused: ${what}`, async (t) => {
    const s = await setting(t)
    put(s.bad)
    await assert.rejects(s.pull(), { code })
    await s.sound()
    assert.deepEqual(s.store.images.list(), [])
  })

test('credentials go to the registry and its realm, not to where a blob is redirected', async (t) => {
  const s = await setting(t)
  const image = s.bad.putImage('a/b:1', [BIG])
  s.bad.tokens = new Set()
  s.bad.users = new Set([`alice:${SECRET}`])
  const seen: (string | undefined)[] = []
  const other = createServer((req, res) => {
    seen.push(req.headers.authorization)
    res.end(s.bad.blobs.get(image.layers[0]!))
  })
  const port = await listen(t, other)
  s.bad.fault = (a, res) => {
    if (!isBlob(a, image.layers[0]!)) return undefined
    assert.match(a.authorization ?? '', /^Bearer /)
    refuse(res, 307, '', { location: `http://127.0.0.1:${port}/x?signature=1` })
    return true
  }
  await s.pull()
  assert.deepEqual(seen, [undefined])
  const tokens = s.bad.asked.filter((a) => a.path.startsWith('/token'))
  assert.ok(tokens.every((a) => a.authorization?.startsWith('Basic ')))
  assert.ok(s.bad.asked.every((a) => a.path.startsWith('/token') || !a.authorization?.startsWith('Basic ')))
  assert.doesNotMatch(allText(s.root), new RegExp(SECRET))
})

test('a password that is not accepted is told without it', async (t) => {
  const s = await setting(t)
  s.bad.putImage('a/b:1', [9])
  s.bad.tokens = new Set()
  s.bad.users = new Set(['bob:x'])
  const err = await s.pull().catch((e: unknown) => e as Error & { code: string; hint: string })
  assert.ok(err instanceof Error)
  assert.equal(err.code, 'E_REGISTRY_DENIED')
  assert.match(err.message, /401 UNAUTHORIZED: who are you/)
  assert.match((err as { hint: string }).hint, /^the credentials are not accepted: tsbox login localhost:/)
})

test('a pull that broke off for good goes on where it ended', async (t) => {
  const s = await setting(t)
  const image = s.bad.putImage('a/b:1', [BIG])
  const blob = s.bad.blobs.get(image.layers[0]!)!
  s.bad.fault = (a, res) => isBlob(a, image.layers[0]!) && (a.range ? refuse(res, 404) : cut(res, blob, a, 500_000))
  await assert.rejects(s.pull(), { code: 'E_REGISTRY_NOT_FOUND' })
  s.bad.fault = () => undefined
  const before = s.bad.asked.length
  await s.pull()
  const asked = s.bad.asked.slice(before).filter((a) => isBlob(a, image.layers[0]!))
  assert.equal(asked.length, 1)
  assert.ok(Number(/\d+/.exec(asked[0]!.range ?? '')?.[0]) > 100_000, asked[0]!.range)
  await s.sound()
})

const pushes: [what: string, fault: () => Fault][] = [
  [
    'an upload that is cut',
    () => {
      let cuts = 0
      return ({ method }, res) => {
        if (method !== 'PUT' && method !== 'PATCH') return undefined
        if (++cuts > 1) return undefined
        setTimeout(() => res.destroy(), 5)
        return true
      }
    },
  ],
  ...[409, 416, 429, 500, 503].map((status): [string, () => Fault] => [
    `a ${status} in the middle of an upload`,
    () =>
      once(
        (a) => a.method === 'PUT' && a.path.includes('uploads'),
        (_, res) => {
          refuse(res, status, status === 416 ? 'RANGE_INVALID' : '', { 'retry-after': '0' })
          return true
        },
      ),
  ]),
  [
    'an upload that is forgotten',
    () =>
      once(
        (a) => a.method === 'PUT' && a.path.includes('uploads'),
        (_, res) => {
          refuse(res, 404, 'BLOB_UPLOAD_UNKNOWN')
          return true
        },
      ),
  ],
  [
    'a 503 for the manifest',
    () =>
      once(
        (a) => a.method === 'PUT' && a.path.includes('manifests'),
        (_, res) => {
          refuse(res, 503)
          return true
        },
      ),
  ],
]

for (const [what, fault] of pushes)
  test(`a push outlives ${what}`, async (t) => {
    const s = await setting(t)
    const image = s.bad.putImage('a/b:1', [BIG, 1000])
    await s.pull()
    const kept = new Map(s.bad.blobs)
    s.bad.blobs.clear()
    s.bad.manifests.clear()
    s.bad.fault = fault()
    const [pushed] = await s.push()
    assert.equal(pushed!.digest, image.digest)
    assert.deepEqual([...s.bad.blobs].sort(), [...kept].sort())
  })

test('a token that runs out in the middle of an upload is renewed', async (t) => {
  const s = await setting(t)
  const image = s.bad.putImage('a/b:1', [BIG])
  s.bad.tokens = new Set()
  await s.pull()
  s.bad.blobs.clear()
  s.bad.fault = (a) => {
    if (a.method === 'PUT' && s.bad.count(/^PUT/) === 1) s.bad.tokens!.clear()
    return undefined
  }
  assert.equal((await s.push())[0]!.digest, image.digest)
  assert.ok(s.bad.count(/^GET \/token/) >= 3)
})

const refusedPushes: [what: string, match: RegExp, status: number, body: string, code: string][] = [
  ['a repository that may not be written', /^POST/, 403, 'DENIED', 'E_REGISTRY_DENIED'],
  ['a manifest that is refused', /^PUT .*manifests/, 400, 'MANIFEST_INVALID', 'E_REGISTRY_ANSWER'],
  ['an upload without a place', /^POST/, 202, '', 'E_REGISTRY_ANSWER'],
  ['no space', /^PUT .*uploads/, 507, '', 'E_REGISTRY_ANSWER'],
]

for (const [what, match, status, body, code] of refusedPushes)
  test(`a push ends with one error at ${what}`, async (t) => {
    const s = await setting(t)
    s.bad.putImage('a/b:1', [BIG])
    await s.pull()
    s.bad.blobs.clear()
    s.bad.fault = (a, res) => match.test(`${a.method} ${a.path}`) && refuse(res, status, body)
    await assert.rejects(s.push(), { code })
    await s.sound()
  })

test('a large blob is sent as a stream, and after a break in parts from where it ended', async (t) => {
  const s = await setting(t)
  const image = s.bad.putImage('a/b:1', [40 << 20])
  await s.pull()
  s.bad.blobs.clear()
  s.bad.breakAfter = 10 << 20
  const ranges: (string | undefined)[] = []
  s.bad.fault = (a) => {
    if (a.method === 'PATCH') ranges.push(a.contentRange)
    return undefined
  }
  assert.equal((await s.push())[0]!.digest, image.digest)
  assert.ok(s.bad.blobs.has(image.layers[0]!))
  const [first, ...later] = ranges
  assert.equal(first, undefined)
  assert.equal(later.length, 2)
  assert.ok(
    later.every((r) => Number.parseInt(r!, 10) > 10 << 20),
    String(later),
  )
})
