/** What registries ask for, and where credentials are found and kept. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseChallenge } from '../../src/registry/auth/challenge.js'
import { findCredential } from '../../src/registry/auth/credentials.js'
import { forgetCredential, keepCredential } from '../../src/registry/auth/keep.js'
import { delayBefore, retryAfterMs } from '../../src/registry/http/retry.js'
import { tempDir } from '../helpers/temp.js'

test('challenges', () => {
  assert.deepEqual(parseChallenge('Bearer realm="https://a/t",service="s, t",scope="repository:x:pull,push"'), {
    scheme: 'bearer',
    realm: 'https://a/t',
    service: 's, t',
    scope: 'repository:x:pull,push',
  })
  assert.deepEqual(parseChallenge('basic Realm=x'), { scheme: 'basic', realm: 'x' })
  assert.equal(parseChallenge('Basic realm="a", Bearer realm="https://b"')?.scheme, 'bearer')
  assert.equal(parseChallenge('Negotiate'), undefined)
  assert.equal(parseChallenge(undefined), undefined)
})

const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') })

function home(t: TestContext, files: Record<string, unknown>, env: Record<string, string> = {}) {
  const root = tempDir(t)
  for (const [name, value] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), typeof value === 'string' ? value : JSON.stringify(value))
  }
  return { env: { XDG_RUNTIME_DIR: join(root, 'run'), ...env }, home: root }
}

test('credentials: the places and the names under which they are kept', async (t) => {
  const at = home(t, {
    '.docker/config.json': {
      auths: {
        'https://index.docker.io/v1/': auth('hub:1'),
        'https://a.io/v1/': auth('a:p:q'),
        'tok.io': { identitytoken: 'T' },
      },
    },
    '.config/containers/auth.json': {
      auths: { 'a.io': auth('later:0'), 'b.io/team': auth('team:2'), 'b.io': auth('all:3') },
    },
  })
  const of = (registry: string, path?: string) => findCredential(at, registry, path)
  assert.deepEqual(await of('docker.io'), { username: 'hub', password: '1' })
  assert.deepEqual(await of('a.io'), { username: 'a', password: 'p:q' })
  assert.deepEqual(await of('tok.io'), { identityToken: 'T' })
  assert.deepEqual(await of('b.io', 'team/app'), { username: 'team', password: '2' })
  assert.deepEqual(await of('b.io', 'other/app'), { username: 'all', password: '3' })
  assert.equal(await of('c.io'), undefined)
  const one = join(at.home, 'one.json')
  writeFileSync(one, JSON.stringify({ auths: { 'c.io': auth('c:4') } }))
  const alone = { ...at, env: { ...at.env, REGISTRY_AUTH_FILE: one } }
  assert.deepEqual(await findCredential(alone, 'c.io', undefined), { username: 'c', password: '4' })
  assert.equal(await findCredential(alone, 'a.io', undefined), undefined)
  const given = { ...at, env: { ...at.env, DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { 'a.io': auth('env:5') } }) } }
  assert.deepEqual(await findCredential(given, 'a.io', undefined), { username: 'env', password: '5' })
})

test('a file of credentials that is damaged is told without what is in it', async (t) => {
  const broken = home(t, { '.docker/config.json': '{"auths": {"a.io": {"auth": "c2VjcmV0' })
  await assert.rejects(findCredential(broken, 'a.io', undefined), (err: Error & { code: string }) => {
    assert.equal(err.code, 'E_CREDENTIALS')
    assert.doesNotMatch(err.message + String(err.cause), /c2VjcmV0/)
    return true
  })
  const odd = home(t, { '.docker/config.json': { auths: { 'a.io': auth('secret-without-colon') } } })
  await assert.rejects(findCredential(odd, 'a.io', undefined), {
    code: 'E_CREDENTIALS',
    message: /not base64 of NAME:PASSWORD/,
  })
})

test('keeping and forgetting leaves all else as it is, links and modes included', async (t) => {
  const at = home(t, {
    'real.json': { auths: { 'a.io': auth('x:y') }, theme: { dark: true } },
    '.config/containers/auth.json': { auths: {} },
  })
  mkdirSync(join(at.home, '.docker'))
  symlinkSync('../real.json', join(at.home, '.docker/config.json'))
  const kept = await keepCredential(at, 'b.io', { username: 'u', password: 'p' })
  assert.deepEqual(
    kept.map((k) => k.plain),
    [true, true],
  )
  const real = () => JSON.parse(readFileSync(join(at.home, 'real.json'), 'utf8'))
  assert.deepEqual(real(), { auths: { 'a.io': auth('x:y'), 'b.io': auth('u:p') }, theme: { dark: true } })
  assert.equal(statSync(join(at.home, 'real.json')).mode & 0o777, 0o600)
  await keepCredential(at, 'docker.io', { identityToken: 'T' })
  assert.deepEqual(await findCredential(at, 'docker.io', undefined), { identityToken: 'T' })
  assert.equal((await forgetCredential(at, 'b.io')).length, 2)
  assert.equal((await forgetCredential(at, 'b.io')).length, 0)
  assert.deepEqual(Object.keys(real().auths), ['a.io', 'https://index.docker.io/v1/'])
})

test('a helper that fails is told by its name; what it printed is not', async (t) => {
  const at = home(t, { '.docker/config.json': { credsStore: 'broken' } })
  const bin = join(at.home, 'bin')
  mkdirSync(bin)
  const helper = (script: string) => {
    writeFileSync(join(bin, 'docker-credential-broken'), `#!/bin/sh\n${script}\n`)
    chmodSync(join(bin, 'docker-credential-broken'), 0o755)
  }
  const find = () =>
    findCredential({ ...at, env: { ...at.env, PATH: `${bin}:${process.env.PATH}` } }, 'a.io', undefined)
  await assert.rejects(find(), {
    code: 'E_CREDENTIAL_HELPER',
    message: /not installed: "docker-credential-broken get"/,
  })
  helper('echo TOPSECRET; exit 3')
  await assert.rejects(
    find(),
    (err: Error) => /ended with an error/.test(err.message) && !/TOPSECRET/.test(err.message),
  )
  helper('cat >/dev/null; echo credentials not found in native keychain; exit 1')
  assert.equal(await find(), undefined)
  helper('read server; printf \'{"Username":"<token>","Secret":"for %s"}\' "$server"')
  assert.deepEqual(await find(), { identityToken: 'for a.io' })
})

test('waits grow, and what a registry asks for counts', () => {
  const policy = { attempts: 5, baseMs: 100, maxMs: 500, maxAskedMs: 10_000 }
  assert.deepEqual(
    [2, 3, 4, 5, 6].map((n) => delayBefore(n, policy, undefined, 0.5)),
    [100, 200, 400, 500, 500],
  )
  assert.equal(delayBefore(2, policy, 3000, 0), 3000)
  assert.equal(delayBefore(2, policy, 11_000, 0), undefined)
  assert.equal(retryAfterMs('7', 0), 7000)
  assert.equal(retryAfterMs(new Date(5000).toUTCString(), 1000), 4000)
  assert.equal(retryAfterMs('soon', 0), undefined)
})
