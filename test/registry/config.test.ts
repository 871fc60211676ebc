/** What configuration files say of registries, and where a name leads by them. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseReference } from '../../src/oci/reference.js'
import { certificatesFor } from '../../src/registry/config/certificates.js'
import { type Endpoint, Endpoints } from '../../src/registry/config/endpoints.js'
import { loadRules } from '../../src/registry/config/load.js'
import { inNetwork, isLoopback } from '../../src/registry/config/network.js'
import { parsePolicy } from '../../src/registry/config/policy.js'
import { resolveShortName } from '../../src/registry/short-name.js'
import { tempDir } from '../helpers/temp.js'

/** A home and an /etc with these files. */
function places(t: TestContext, files: Record<string, string>, env: Record<string, string> = {}) {
  const root = tempDir(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return { env, home: join(root, 'home'), etc: join(root, 'etc') }
}

const OWN = 'home/.config/tsbox/registries.yaml'
const CONF = 'home/.config/containers/registries.conf'

async function endpoints(t: TestContext, files: Record<string, string>, env?: Record<string, string>) {
  return new Endpoints(await loadRules(places(t, files, env)))
}

/** `scheme?//host/path`, with what is allowed there. */
function shown({ host, path, scheme, plainHttp, skipVerify, isMirror }: Endpoint): string {
  const flags = [plainHttp && 'http', skipVerify && 'unverified', isMirror && 'mirror'].filter(Boolean)
  return `${scheme ?? ''}//${host}/${path}${flags.map((f) => ` ${f}`).join('')}`
}

const resolved: [what: string, files: Record<string, string>, reference: string, wanted: string[]][] = [
  ['Docker Hub', {}, 'debian', ['//registry-1.docker.io/library/debian']],
  ['any registry', {}, 'example.com:5000/a/b', ['//example.com:5000/a/b']],
  ['this machine', {}, 'localhost:5000/a', ['//localhost:5000/a http']],
  ['this machine by address', {}, '127.1.2.3/a', ['//127.1.2.3/a http']],
  [
    'own mirrors, by address and by table',
    {
      [OWN]:
        'registries:\n  docker.io:\n    mirrors: [https://m.example, {location: "n.example/hub", insecure: true}]\n',
    },
    'debian',
    [
      'https//m.example/library/debian mirror',
      '//n.example/hub/library/debian http unverified mirror',
      '//registry-1.docker.io/library/debian',
    ],
  ],
  [
    'the longest prefix',
    { [OWN]: 'registries:\n  a.io:\n    location: b.io\n  a.io/team:\n    location: c.io/x\n' },
    'a.io/team/app',
    ['//c.io/x/app'],
  ],
  [
    'not a longer name',
    { [OWN]: 'registries:\n  a.io/te:\n    location: c.io\n' },
    'a.io/team/app',
    ['//a.io/team/app'],
  ],
  ['insecure', { [OWN]: 'registries:\n  a.io:\n    insecure: true\n' }, 'a.io/b', ['//a.io/b http unverified']],
  ['a scheme', { [OWN]: 'registries:\n  a.io:\n    location: http://a.io\n' }, 'a.io/b', ['http//a.io/b http']],
  [
    'containers: mirrors, location, wildcard',
    {
      [CONF]:
        '[[registry]]\nprefix = "*.example.com"\nlocation = "other.io/x"\n[[registry.mirror]]\nlocation = "m.io"\ninsecure = true\n',
    },
    'reg.example.com/a/b',
    ['//m.io/a/b http unverified mirror', '//other.io/x/a/b'],
  ],
  [
    'containers: a folder',
    { 'etc/containers/registries.conf.d/a.conf': '[[registry]]\nlocation = "a.io"\ninsecure = true\n' },
    'a.io/b',
    ['//a.io/b http unverified'],
  ],
  [
    'docker: mirrors and insecure networks',
    { 'etc/docker/daemon.json': '{"registry-mirrors":["https://m.io/"],"insecure-registries":["10.0.0.0/8","x.io"]}' },
    'debian',
    ['https//m.io/library/debian mirror', '//registry-1.docker.io/library/debian'],
  ],
  [
    'docker: an insecure address',
    { 'etc/docker/daemon.json': '{"insecure-registries":["10.0.0.0/8"]}' },
    '10.2.3.4:5000/a',
    ['//10.2.3.4:5000/a http unverified'],
  ],
  [
    'own rules before others',
    {
      [OWN]: 'registries:\n  a.io:\n    insecure: false\n',
      'etc/docker/daemon.json': '{"insecure-registries":["a.io"]}',
    },
    'a.io/b',
    ['//a.io/b'],
  ],
]

for (const [what, files, reference, wanted] of resolved)
  test(`endpoints: ${what}`, async (t) => {
    const found = (await endpoints(t, files)).of(parseReference(reference), 'pull')
    assert.deepEqual(found.map(shown), wanted)
  })

test('mirrors are for pulls, and some of them for digests or tags only', async (t) => {
  const conf = `[[registry]]\nprefix = "a.io"\n${['digest-only', 'tag-only', 'all'].map((p, i) => `[[registry.mirror]]\nlocation = "m${i}.io"\npull-from-mirror = "${p}"\n`).join('')}`
  const all = await endpoints(t, { [CONF]: conf })
  const hosts = (text: string, purpose: 'pull' | 'push') => all.of(parseReference(text), purpose).map((e) => e.host)
  assert.deepEqual(hosts('a.io/b:1', 'pull'), ['m1.io', 'm2.io', 'a.io'])
  assert.deepEqual(hosts(`a.io/b@sha256:${'0'.repeat(64)}`, 'pull'), ['m0.io', 'm2.io', 'a.io'])
  assert.deepEqual(hosts('a.io/b:1', 'push'), ['a.io'])
})

test('what any file blocks is blocked', async (t) => {
  const all = await endpoints(t, {
    [OWN]: 'registries:\n  a.io: {}\n',
    [CONF]: '[[registry]]\nprefix = "a.io/evil"\nblocked = true\n',
  })
  assert.equal(all.of(parseReference('a.io/good'), 'pull').length, 1)
  assert.throws(() => all.of(parseReference('a.io/evil/x'), 'pull'), {
    code: 'E_REGISTRY_BLOCKED',
    hint: /registries\.conf$/,
  })
})

test('short names: own aliases count, those of a distribution do not', async (t) => {
  const all = await endpoints(t, {
    [OWN]: 'aliases:\n  tools: a.io/team/tools\n',
    'etc/containers/registries.conf.d/shortnames.conf': '[aliases]\n"fedora" = "registry.fedoraproject.org/fedora"\n',
    'home/.config/containers/registries.conf.d/mine.conf': '[aliases]\n"mine" = "b.io/mine"\n',
  })
  const name = (text: string) => resolveShortName(all, text).toString()
  assert.equal(name('tools'), 'a.io/team/tools:latest')
  assert.equal(name('tools:2'), 'a.io/team/tools:2')
  assert.equal(name(`tools@sha256:${'1'.repeat(64)}`), `a.io/team/tools@sha256:${'1'.repeat(64)}`)
  assert.equal(name('docker.io/tools'), 'docker.io/library/tools:latest')
  assert.equal(name('fedora'), 'docker.io/library/fedora:latest')
  assert.equal(name('mine:1'), 'b.io/mine:1')
})

const invalid: [files: Record<string, string>, message: RegExp][] = [
  [{ [OWN]: 'registries:\n  a.io:\n    blokced: true\n' }, /unknown field "registries\.a\.io\.blokced"/],
  [{ [OWN]: 'registries: [a]\n' }, /not a table: "registries"/],
  [{ [OWN]: 'registries:\n  a.io:\n    insecure: "yes"\n' }, /not true or false/],
  [{ [OWN]: 'a: [\n' }, /registries\.yaml"/],
  [{ [CONF]: '[registries.search]\nregistries = ["x"]\n' }, /version 1/],
  [{ [CONF]: '[[registry]]\nblocked = "x"\n' }, /registry\[0\]\.prefix/],
  [{ [CONF]: 'x = \n' }, /registries\.conf"/],
  [{ 'etc/docker/daemon.json': '{' }, /daemon\.json"/],
]

for (const [files, message] of invalid)
  test(`a file that can't be understood is an error: ${message}`, async (t) => {
    await assert.rejects(loadRules(places(t, files)), (err: Error & { code: string }) => {
      assert.equal(err.code, 'E_REGISTRY_CONFIG')
      assert.match(err.message, message)
      return true
    })
  })

test('certificates of certs.d and of rules', (t) => {
  const at = places(t, {
    'home/.config/containers/certs.d/a.io:5000/ca.crt': 'CA1',
    'etc/docker/certs.d/a.io:5000/other.crt': 'CA2',
    'etc/docker/certs.d/a.io:5000/client.cert': 'CERT',
    'etc/docker/certs.d/a.io:5000/client.key': 'KEY',
    'etc/docker/certs.d/b.io/client.cert': 'CERT',
  })
  assert.deepEqual(certificatesFor('a.io:5000', at, {}), { ca: ['CA1', 'CA2'], cert: 'CERT', key: 'KEY' })
  assert.deepEqual(certificatesFor('../a.io', at, {}), { ca: [] })
  assert.throws(() => certificatesFor('b.io', at, {}), { code: 'E_REGISTRY_CONFIG', message: /client\.key/ })
  assert.throws(() => certificatesFor('c.io', at, { ca: '/nowhere' }), { code: 'E_REGISTRY_CONFIG' })
})

test('which hosts are this machine, and which are in a network', () => {
  for (const host of ['localhost', 'localhost:1', '127.0.0.1:5', '[::1]:5', 'x.localhost'])
    assert.ok(isLoopback(host), host)
  for (const host of ['localhost.io', '128.0.0.1', 'a.io', '127.evil.io']) assert.ok(!isLoopback(host), host)
  assert.ok(inNetwork('10.1.2.3:5000', '10.0.0.0/8'))
  assert.ok(inNetwork('[fd00::1]:5000', 'fd00::/8'))
  assert.ok(inNetwork('a.io:5000', 'a.io'))
  assert.ok(!inNetwork('a.io:5000', 'a.io:5001'))
  assert.ok(!inNetwork('11.1.2.3', '10.0.0.0/8'))
  assert.ok(!inNetwork('10.1.2.3', '10.0.0.0/99'))
})

test('a policy: the closest scope counts', () => {
  const policy = parsePolicy(
    JSON.stringify({
      default: [{ type: 'reject' }],
      transports: {
        docker: {
          'a.io': [{ type: 'insecureAcceptAnything' }],
          'a.io/b:1': [{ type: 'signedBy', keyType: 'GPGKeys' }],
          '*.c.io': [{ type: 'insecureAcceptAnything' }],
        },
      },
    }),
    'policy.json',
  )
  const types = (text: string) => policy.requirementsFor(parseReference(text)).map((r) => r.type)
  assert.deepEqual(types('a.io/x'), ['accept'])
  assert.deepEqual(types('a.io/b:1'), ['unsupported'])
  assert.deepEqual(types('a.io/b:2'), ['accept'])
  assert.deepEqual(types('x.c.io/y'), ['accept'])
  assert.deepEqual(types('debian'), ['reject'])
  assert.throws(() => parsePolicy('{}', 'p'), { code: 'E_REGISTRY_CONFIG' })
  assert.throws(() => parsePolicy('{"default":[{"type":"sigstoreSigned"}]}', 'p'), { code: 'E_REGISTRY_CONFIG' })
})
