/** Which images policy.json lets pass: by name, and by cosign's signatures. */
import assert from 'node:assert/strict'
import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NodeRegistry } from '../../src/engine/registry/node-registry.js'
import { MEDIA } from '../../src/oci/media-type.js'
import { Registry } from '../../src/registry/registry.js'
import { BadRegistry } from '../helpers/bad-registry.js'
import { withImages } from '../helpers/images.js'
import { tempDir } from '../helpers/temp.js'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

/** A registry with an image, and pulls of it under a policy. */
async function setting(t: TestContext, policy: unknown) {
  const bad = await BadRegistry.start(t)
  const etc = tempDir(t)
  mkdirSync(join(etc, 'containers'))
  writeFileSync(join(etc, 'key.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const text = JSON.stringify(policy).replaceAll('KEY', join(etc, 'key.pub')).replaceAll('HOST', bad.host)
  writeFileSync(join(etc, 'containers/policy.json'), text)
  const registry = await Registry.open({ env: {}, etc, credential: async () => undefined })
  t.after(() => registry.close())
  const { deps } = withImages(t)
  const packing = async () => {
    throw new Error('nothing is to be packed here')
  }
  const engine = new NodeRegistry({ ...deps, registry: async () => registry, packing })
  const { signal } = new AbortController()
  const image = bad.putImage('a/b:1', [10])
  const pull = () => engine.pull({ reference: `${bad.host}/a/b:1`, allTags: false, signal }, () => {})
  return { bad, image, pull }
}

/** Lays a signature beside an image, as cosign does. */
function sign(bad: BadRegistry, digest: string, key: KeyObject, critical: Record<string, unknown>): void {
  const payload = Buffer.from(JSON.stringify({ critical, optional: null }))
  const signature = createSign('sha256').update(payload).sign(key).toString('base64')
  const layer = {
    mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    ...bad.put(payload),
    annotations: { 'dev.cosignproject.cosign/signature': signature },
  }
  const config = { mediaType: MEDIA.config, ...bad.put(Buffer.from('{}')) }
  const manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config, layers: [layer] }
  bad.putManifest(`a/b:${digest.replace(':', '-')}.sig`, manifest, MEDIA.manifest)
}

const claim = (bad: BadRegistry, digest: string, name = `${bad.host}/a/b`) => ({
  identity: { 'docker-reference': name },
  image: { 'docker-manifest-digest': digest },
  type: 'cosign container image signature',
})

const SIGNED = { default: [{ type: 'sigstoreSigned', keyPath: 'KEY' }] }

test('rejected by name, and what a policy asks for that can not be checked', async (t) => {
  const rejected = await setting(t, {
    default: [{ type: 'insecureAcceptAnything' }],
    transports: { docker: { 'HOST/a': [{ type: 'reject' }] } },
  })
  await assert.rejects(rejected.pull(), { code: 'E_POLICY', message: /the policy rejects it/, hint: /policy\.json$/ })
  const unknown = await setting(t, { default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: 'KEY' }] })
  await assert.rejects(unknown.pull(), { code: 'E_POLICY', message: /asks for "signedBy", which can't be checked/ })
})

test('an image that a key of the policy has signed is pulled', async (t) => {
  const { bad, image, pull } = await setting(t, SIGNED)
  await assert.rejects(pull(), { code: 'E_POLICY', message: /no signature by a key that the policy names/ })
  sign(bad, image.digest, privateKey, claim(bad, image.digest))
  assert.equal((await pull())[0]!.digest, image.digest)
})

const worthless: [
  what: string,
  critical: (bad: BadRegistry, digest: string) => Record<string, unknown>,
  key: KeyObject,
][] = [
  ['by another key', claim, other.privateKey],
  ['of another image', (bad) => claim(bad, `sha256:${'0'.repeat(64)}`), privateKey],
  ['for another name', (bad, digest) => claim(bad, digest, `${bad.host}/a/other`), privateKey],
  ['of another kind', (bad, digest) => ({ ...claim(bad, digest), type: 'something' }), privateKey],
]

for (const [what, critical, key] of worthless)
  test(`a signature ${what} is worth nothing`, async (t) => {
    const { bad, image, pull } = await setting(t, SIGNED)
    sign(bad, image.digest, key, critical(bad, image.digest))
    await assert.rejects(pull(), { code: 'E_POLICY' })
  })

test('a payload that was changed after it was signed is worth nothing', async (t) => {
  const { bad, image, pull } = await setting(t, SIGNED)
  sign(bad, image.digest, privateKey, claim(bad, image.digest))
  const { document } = JSON.parse(
    `{"document":${bad.manifests.get(`a/b:${image.digest.replace(':', '-')}.sig`)!.bytes}}`,
  )
  bad.blobs.set(document.layers[0].digest, Buffer.from('{}'))
  await assert.rejects(pull())
})
