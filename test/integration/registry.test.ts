/** Pull, push and login against Debian's docker-registry, beside skopeo and podman. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { type Cli, makeBase, onPath, openCli, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import {
  ALICE,
  allText,
  cleanHome,
  type DockerRegistry,
  REGISTRY_PROGRAMS,
  startRegistry,
} from '../helpers/docker-registry.js'
import { Podman } from '../helpers/podman.js'
import { requireProgram, runProgram } from '../helpers/programs.js'

const base = sharedCli()
const env = cleanHome(base.dir)
const cli = base.with(env)
const podman = new Podman(cli)
const has = REGISTRY_PROGRAMS.every(([program]) => onPath(program))
let plain: DockerRegistry
let guarded: DockerRegistry
before(async () => {
  if (!has) return
  plain = await startRegistry(join(cli.dir, 'plain'))
  guarded = await startRegistry(join(cli.dir, 'guarded'), { accounts: true, tls: true })
  makeBase(cli)
  const context = writeContext(cli, {
    Dockerfile: 'FROM base\nCOPY a /a\nRUN echo two > /b && ln /b /c\nLABEL x=y\nCMD ["cat", "/a", "/c"]\n',
    a: 'one\n',
  })
  cli.build(context, ['-t', `${plain.host}/team/made:1`])
})
after(async () => {
  podman.reset()
  await plain?.stop()
  await guarded?.stop()
})

async function required(t: TestContext): Promise<boolean> {
  if (!REGISTRY_PROGRAMS.every(([program, name]) => requireProgram(t, program, name))) return false
  return requireBox(t)
}

/** Another store, with nothing in it. */
function elsewhere(t: TestContext, more: Record<string, string> = {}): Cli {
  return openCli(t, { ...env, ...more })
}

/** Without the caller's own credentials. */
const skopeo = (...args: string[]) => runProgram('skopeo', args, { env: { ...process.env, ...env } })

const made = () => `${plain.host}/team/made:1`

/** What a push or pull prints last. */
const digestIn = (output: string) => /sha256:[0-9a-f]{64}/.exec(output)![0]

test('an image goes to a registry, is seen by skopeo, and comes back the same', async (t) => {
  if (!(await required(t))) return
  const digest = digestIn(cli.ok(['push', made()]))
  const other = elsewhere(t)
  assert.match(
    other.ok(['pull', made()]),
    new RegExp(`^Digest: ${digest}\nStatus: Downloaded newer image for ${made()}\n`),
  )
  assert.equal(other.ok(['run', '--rm', made()]), 'one\ntwo\n')
  assert.deepEqual(
    other.images(),
    cli.images().filter((id) => id === JSON.parse(cli.ok(['inspect', made()]))[0].Id),
  )
  assert.match(other.ok(['pull', made()]), /Image is up to date/)
  // Layers that came from a registry go back byte for byte: the manifest is the same one.
  other.ok(['tag', made(), `${plain.host}/team/again:2`])
  assert.equal(digestIn(other.ok(['push', `${plain.host}/team/again:2`])), digest)
  assert.deepEqual(other.leftovers(), [])
  if (!requireProgram(t, 'skopeo')) return
  const seen = JSON.parse(skopeo('inspect', '--tls-verify=false', `docker://${made()}`))
  assert.equal(seen.Digest, digest)
  assert.deepEqual(seen.Labels, { x: 'y' })
})

test('a push sends only what the registry lacks, and takes layers over from its other repositories', async (t) => {
  if (!(await required(t))) return
  cli.ok(['push', made()])
  const from = (await plain.requests()).length
  cli.ok(['push', made()])
  const again = (await plain.requests()).slice(from)
  assert.deepEqual(
    again.filter((r) => /^(POST|PATCH)/.test(r)),
    [],
  )
  cli.ok(['tag', made(), `${plain.host}/other/mounted:1`])
  const log = cli.run(['push', `${plain.host}/other/mounted:1`]).stderr
  assert.match(log, /sha256:\w+ mounted from team\/made/)
  const mounts = (await plain.requests()).slice(from + again.length)
  assert.ok(
    mounts.some((r) => /^POST \S+mount=sha256\S+ 201/.test(r)),
    mounts.join('\n'),
  )
  assert.deepEqual(
    mounts.filter((r) => r.startsWith('PATCH')),
    [],
  )
})

test('podman pulls and runs what was pushed, and tsbox what podman pushed', async (t) => {
  if (!(await required(t)) || !podman.required(t)) return
  cli.ok(['push', made()])
  podman.ok(['pull', '-q', '--tls-verify=false', made()])
  assert.equal(
    `sha256:${podman.ok(['image', 'inspect', '-f', '{{.Id}}', made()]).trim()}`,
    JSON.parse(cli.ok(['inspect', made()]))[0].Id,
  )
  const output = podman.runs(t, [made()])
  if (output !== undefined) assert.equal(output, 'one\ntwo\n')
  const theirs = `${plain.host}/podman/made:3`
  podman.ok(['tag', made(), theirs])
  podman.ok(['push', '-q', '--tls-verify=false', theirs])
  const other = elsewhere(t)
  other.ok(['pull', theirs])
  assert.equal(other.ok(['run', '--rm', theirs]), 'one\ntwo\n')
})

test('an index is pulled for a platform; docker manifests too', async (t) => {
  if (!(await required(t)) || !requireProgram(t, 'skopeo')) return
  cli.ok(['push', made()])
  const docker = `${plain.host}/docker/made:1`
  const copy = ['copy', '-q', '--src-tls-verify=false', '--dest-tls-verify=false', '--format', 'v2s2']
  skopeo(...copy, `docker://${made()}`, `docker://${docker}`)
  const other = elsewhere(t)
  other.ok(['pull', docker])
  assert.equal(other.ok(['run', '--rm', docker]), 'one\ntwo\n')
  const digest = digestIn(
    cli.ok(['push', '--format', 'docker', '--compression', 'zstd', '--force-compression', made()]),
  )
  assert.match(skopeo('inspect', '--raw', '--tls-verify=false', `docker://${made()}`), /diff\.tar\.zstd/)
  assert.equal(digestIn(other.ok(['pull', made()])), digest)
  assert.equal(other.ok(['run', '--rm', made()]), 'one\ntwo\n')
  assert.match(
    other.run(['pull', '--platform', 'linux/s390x', made()]).stderr,
    /it is for "linux\/\w+", not for "linux\/s390x"/,
  )
})

test('pull by digest, all tags, quiet, and what is not there', async (t) => {
  if (!(await required(t))) return
  const digest = digestIn(cli.ok(['push', made()]))
  cli.ok(['tag', made(), `${plain.host}/team/made:2`])
  cli.ok(['push', '--all-tags', `${plain.host}/team/made`])
  const other = elsewhere(t)
  const byDigest = `${plain.host}/team/made@${digest}`
  assert.equal(other.ok(['pull', '-q', byDigest]), `${byDigest}\n`)
  assert.equal(other.ok(['run', '--rm', byDigest]), 'one\ntwo\n')
  const all = other.ok(['pull', '-q', '-a', `${plain.host}/team/made`])
  assert.equal(all, `${plain.host}/team/made:1\n${plain.host}/team/made:2\n`)
  const missing = other.run(['pull', `${plain.host}/team/made:none`])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /answered 404 MANIFEST_UNKNOWN: manifest unknown: "localhost:\d+\/team\/made:none"/)
  assert.match(other.run(['push', `${plain.host}/team/none:1`]).stderr, /no such image/)
  assert.match(other.ok(['search', `${plain.host}/made`]), /localhost:\d+\/team\/made /)
  assert.deepEqual(other.leftovers(), [])
})

test('two pulls of one image at once download each layer once', async (t) => {
  if (!(await required(t))) return
  cli.ok(['push', made()])
  const other = elsewhere(t)
  const from = (await plain.requests()).length
  const runs = [1, 2, 3].map(() => other.start(['pull', made()]))
  for (const run of runs) assert.equal((await run.ended).code, 0)
  const blobs = (await plain.requests())
    .slice(from)
    .filter((r) => /^GET \S+\/blobs\//.test(r))
    .map((r) => r.split(' ')[1])
  const answer = await fetch(`http://${plain.host}/v2/team/made/manifests/1`, {
    headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
  })
  const { layers } = (await answer.json()) as { layers: { digest: string }[] }
  for (const { digest } of layers) assert.equal(blobs.filter((b) => b!.endsWith(digest)).length, 1, digest)
  assert.deepEqual(other.leftovers(), [])
})

test('a registry with TLS and accounts: login, pull, push, logout', async (t) => {
  if (!(await required(t))) return
  const home = cleanHome(join(cli.dir, 'login'))
  const user = elsewhere(t, home)
  const image = `${guarded.host}/team/made:1`
  const config = join(home.HOME!, '.docker/config.json')
  const login = (password: string, more: Record<string, string> = {}) =>
    user.run(['login', '-u', ALICE.username, '--password-stdin', guarded.host], { input: password, env: more })
  // Nobody vouches for its certificate yet.
  assert.match(login(ALICE.password).stderr, /certificate/)
  const certs = join(home.HOME!, '.config/containers/certs.d', guarded.host)
  mkdirSync(certs, { recursive: true })
  writeFileSync(join(certs, 'ca.crt'), readFileSync(guarded.ca!))
  const denied = login('wrong')
  assert.match(denied.stderr, /access denied/)
  assert.doesNotMatch(denied.stderr, /wrong/)
  assert.match(user.run(['login', '-u', 'alice', '-p', 'x', guarded.host]).stderr, /use --password-stdin/)
  const done = login(`${ALICE.password}\n`)
  assert.equal(done.stdout, 'Login Succeeded\n', done.stderr)
  assert.match(done.stderr, /stored unencrypted in '.*\.docker\/config\.json'/)
  assert.equal(statSync(config).mode & 0o777, 0o600)
  assert.equal(user.ok(['login', guarded.host]), 'Login Succeeded\n')
  user.ok(['pull', '-q', made()])
  user.ok(['tag', made(), image])
  user.ok(['push', image])
  user.ok(['rmi', image])
  user.ok(['pull', image])
  assert.equal(user.ok(['logout', guarded.host]), `Removing login credentials for ${guarded.host}\n`)
  assert.match(user.run(['pull', image]).stderr, /access denied.*\nhint: tsbox login localhost:\d+, if it is private/)
  assert.doesNotMatch(allText(user.root), new RegExp(ALICE.password))
  assert.doesNotMatch(readFileSync(config, 'utf8'), /auth"/)
})

test('NODE_EXTRA_CA_CERTS is believed, and a file of containers for credentials', async (t) => {
  if (!(await required(t))) return
  const home = cleanHome(join(cli.dir, 'extra'))
  const file = join(home.HOME!, 'auth.json')
  const user = elsewhere(t, { ...home, NODE_EXTRA_CA_CERTS: guarded.ca!, REGISTRY_AUTH_FILE: file })
  const ran = user.run(['login', '-u', ALICE.username, '--password-stdin', guarded.host], { input: ALICE.password })
  assert.equal(ran.stdout, 'Login Succeeded\n', ran.stderr)
  assert.deepEqual(Object.keys(JSON.parse(readFileSync(file, 'utf8')).auths), [guarded.host])
  assert.deepEqual(readdirSync(home.HOME!).sort(), ['.config', 'auth.json', 'run'])
})

test('a credential helper keeps what is given to it, and no file does', async (t) => {
  if (!(await required(t))) return
  const home = cleanHome(join(cli.dir, 'helper'))
  const bin = join(home.HOME!, 'bin')
  mkdirSync(bin)
  const helper = join(bin, 'docker-credential-test')
  const kept = join(home.HOME!, 'kept')
  writeFileSync(
    helper,
    `#!/bin/sh\ncase $1 in\nstore) cat > ${kept} ;;\nget) cat >/dev/null; if [ -f ${kept} ]; then cat ${kept}; else echo credentials not found in native keychain; exit 1; fi ;;\nerase) rm -f ${kept} ;;\nesac\n`,
  )
  chmodSync(helper, 0o755)
  mkdirSync(join(home.HOME!, '.docker'))
  const config = join(home.HOME!, '.docker/config.json')
  writeFileSync(config, JSON.stringify({ credHelpers: { [guarded.host]: 'test' }, other: { stays: true } }))
  const user = elsewhere(t, { ...home, NODE_EXTRA_CA_CERTS: guarded.ca!, PATH: `${bin}:${process.env.PATH}` })
  const ran = user.run(['login', '-u', ALICE.username, '--password-stdin', guarded.host], { input: ALICE.password })
  assert.equal(ran.stdout, 'Login Succeeded\n', ran.stderr)
  assert.doesNotMatch(ran.stderr, /unencrypted/)
  assert.equal(JSON.parse(readFileSync(kept, 'utf8')).Secret, ALICE.password)
  const written = JSON.parse(readFileSync(config, 'utf8'))
  assert.deepEqual(written, {
    credHelpers: { [guarded.host]: 'test' },
    other: { stays: true },
    auths: { [guarded.host]: {} },
  })
  user.ok(['pull', '-q', made()])
  user.ok(['tag', made(), `${guarded.host}/by/helper:1`])
  user.ok(['push', '-q', `${guarded.host}/by/helper:1`])
  user.ok(['logout', guarded.host])
  assert.ok(!readdirSync(home.HOME!).includes('kept'))
})

test('mirrors, aliases, blocked registries, and HTTP where it is not allowed', async (t) => {
  if (!(await required(t))) return
  cli.ok(['push', made()])
  const home = cleanHome(join(cli.dir, 'configured'))
  const dir = join(home.HOME!, '.config/tsbox')
  mkdirSync(dir)
  const write = (text: string) => writeFileSync(join(dir, 'registries.yaml'), text)
  const user = elsewhere(t, home)
  write(
    `registries:\n  registry.invalid:\n    mirrors: ["http://${plain.host}"]\naliases:\n  short: registry.invalid/team/made\n`,
  )
  assert.match(user.ok(['pull', 'registry.invalid/team/made:1']), /newer image for registry\.invalid\/team\/made:1/)
  assert.match(user.ok(['pull', 'short:1']), /up to date for registry\.invalid\/team\/made:1/)
  write(`registries:\n  registry.invalid/team:\n    location: http://${plain.host}/team\n`)
  user.ok(['pull', 'registry.invalid/team/made:1'])
  write('registries:\n  localhost:\n    blocked: true\n')
  rmSync(join(dir, 'registries.yaml'))
  mkdirSync(join(home.HOME!, '.config/containers'))
  writeFileSync(
    join(home.HOME!, '.config/containers/registries.conf'),
    `[[registry]]\nprefix = "${plain.host}/team"\nblocked = true\n`,
  )
  assert.match(user.run(['pull', made()]).stderr, /blocked by configuration.*\nhint: .*registries\.conf/)
  rmSync(join(home.HOME!, '.config/containers/registries.conf'))
  write('registries:\n  localhost:\n    mirorrs: []\n')
  assert.match(user.run(['pull', made()]).stderr, /unknown field "registries\.localhost\.mirorrs"/)
})

test('an image that is being pulled is safe from a collection, and what a killed pull left is gone on with', async (t) => {
  if (!(await required(t))) return
  const big = writeContext(cli, { Dockerfile: 'FROM scratch\nCOPY big /\n' })
  spawnSync('dd', ['if=/dev/urandom', `of=${join(big, 'big')}`, 'bs=1M', 'count=24'])
  const image = `${plain.host}/big/made:1`
  cli.build(big, ['-t', image])
  cli.ok(['push', image])
  const other = elsewhere(t)
  const run = other.start(['pull', image])
  const partial = () => other.names('downloads').filter((n) => !n.endsWith('.claim'))
  while (run.child.exitCode === null && partial().length === 0) await new Promise((r) => setTimeout(r, 1))
  run.child.kill('SIGKILL')
  await run.ended
  other.ok(['pull', image])
  assert.deepEqual(other.names('downloads'), [])
  assert.equal(JSON.parse(other.ok(['inspect', image]))[0].Id, JSON.parse(cli.ok(['inspect', image]))[0].Id)
})
