import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { TsboxError } from '../../src/base/error.js'
import type { BuildRequest, Engine } from '../../src/engine/api.js'
import { ID, runCli } from './recorder.js'

const dir = mkdtempSync(join(tmpdir(), 'tsbox-cli-'))
after(() => rmSync(dir, { recursive: true }))
mkdirSync(join(dir, 'ctx'))
writeFileSync(join(dir, 'secret'), 's')

const plain: Omit<BuildRequest, 'signal'> = {
  context: join(dir, 'ctx'),
  file: undefined,
  tags: [],
  buildArgs: {},
  labels: {},
  target: undefined,
  noCache: false,
  jobs: undefined,
  backend: 'auto',
  userns: 'auto',
  secrets: {},
  namedContexts: {},
  platform: undefined,
  network: 'default',
  extraHosts: [],
  outputs: [],
}

const image = { type: 'image', tar: true, names: [], dest: undefined } as const
const oci = { type: 'oci', tar: true, names: [], dest: join(dir, 'x') } as const

const requests: [argv: string[], changed: Partial<BuildRequest>][] = [
  [['ctx'], {}],
  [[join(dir, 'ctx')], {}],
  [['-f', 'other/Dockerfile', 'ctx'], { file: join(dir, 'other/Dockerfile') }],
  [['-fx', 'ctx'], { file: join(dir, 'x') }],
  [['ctx', '--file=x'], { file: join(dir, 'x') }],
  [['-t', 'a', '-tb:2', '--tag=c', 'ctx'], { tags: ['a', 'b:2', 'c'] }],
  [['--build-arg', 'A=1', '--build-arg=B', '--build-arg', 'C=', 'ctx'], { buildArgs: { A: '1', B: undefined, C: '' } }],
  [['--build-arg', 'A="q"', '--build-arg', 'B=a=b', 'ctx'], { buildArgs: { A: '"q"', B: 'a=b' } }],
  [['--build-arg', '-A=-1', 'ctx'], { buildArgs: { '-A': '-1' } }],
  [['--label', 'a.b/c=1', '--label', 'd', 'ctx'], { labels: { 'a.b/c': '1', d: '' } }],
  [['--target', 'first', '--target', 's', 'ctx'], { target: 's' }],
  [
    ['--target', '"s"', '--label', "'a'='b'", '--label="c"', 'ctx'],
    { target: '"s"', labels: { "'a'": "'b'", '"c"': '' } },
  ],
  [['--no-cache', 'ctx'], { noCache: true }],
  [['--no-cache=false', 'ctx'], { noCache: false }],
  [['--jobs', '3', 'ctx'], { jobs: 3 }],
  [['--backend', 'wasi', '--userns=single', 'ctx'], { backend: 'wasi', userns: 'single' }],
  [['--secret', 'id=a,src=secret', 'ctx'], { secrets: { a: { file: join(dir, 'secret') } } }],
  [['--secret', 'id=a,env=B', 'ctx'], { secrets: { a: { env: 'B' } } }],
  [['--secret', 'type=env,id=FROM_ENV', 'ctx'], { secrets: { FROM_ENV: { env: 'FROM_ENV' } } }],
  [['--secret', 'id=FROM_ENV', 'ctx'], { secrets: { FROM_ENV: { env: 'FROM_ENV' } } }],
  [['--secret', 'id=secret', 'ctx'], { secrets: { secret: { file: join(dir, 'secret') } } }],
  [['--build-context', 'n=ctx', 'ctx'], { namedContexts: { n: join(dir, 'ctx') } }],
  [['--build-context', 'n=docker-image://a:1', 'ctx'], { namedContexts: { n: 'docker-image://a:1' } }],
  [['--build-context', 'n=oci-layout://x:1', 'ctx'], { namedContexts: { n: `oci-layout://${join(dir, 'x:1')}` } }],
  [['--build-context', 'n=target:x', 'ctx'], { namedContexts: { n: 'target:x' } }],
  [['-o', 'out', 'ctx'], { outputs: [{ type: 'local', tar: true, names: [], dest: join(dir, 'out') }] }],
  [['-o', '-', 'ctx'], { outputs: [{ type: 'tar', tar: true, names: [], dest: '-' }] }],
  [
    ['-o', 'type=docker,"name=a,b:1"', '-o', 'type=oci,tar=false,dest=d', '--load', 'ctx'],
    {
      outputs: [
        { type: 'docker', tar: true, names: ['a', 'b:1'], dest: undefined },
        { type: 'oci', tar: false, names: [], dest: join(dir, 'd') },
        { type: 'image', tar: true, names: [] },
      ],
    },
  ],
  [['https://e.test/x.tgz'], { context: 'https://e.test/x.tgz' }],
  [['git@e.test:a/b#c'], { context: 'git@e.test:a/b#c' }],
  [['github.com/a/b?tag=c'], { context: 'https://github.com/a/b.git?tag=c' }],
  [['--build-context', 'n=https://u:p@e.test/y.git', 'ctx'], { namedContexts: { n: 'https://u:p@e.test/y.git' } }],
  [['--ssh', 'default=secret', 'ctx'], { ssh: { default: { keys: [join(dir, 'secret')] } } }],
  [
    ['-o', 'type=oci,compression=gzip,compression-level=9,force-compression=1,dest=x', 'ctx'],
    { outputs: [{ ...oci, compression: { kind: 'gzip', level: 9, force: true } }] },
  ],
  [
    ['-o', 'type=oci,compression=zstd,compression-level=0,dest=x', 'ctx'],
    { outputs: [{ ...oci, compression: { kind: 'zstd', level: undefined, force: false } }] },
  ],
  [
    ['-o', 'type=oci,compression=uncompressed,rewrite-timestamp=true,oci-mediatypes=false,dest=x', 'ctx'],
    {
      outputs: [
        {
          ...oci,
          compression: { kind: 'uncompressed', force: false },
          rewriteTimestamp: true,
          mediaTypes: 'docker',
        },
      ],
    },
  ],
  [
    ['-o', 'type=image,unpack=true,oci-mediatypes=true,push=false,store=true,name-canonical=false', 'ctx'],
    { outputs: [{ ...image, unpack: true }] },
  ],
  [['-o', 'type=image,store=0', 'ctx'], { outputs: [{ ...image, store: false }] }],
  [
    [
      '-o',
      'type=image,annotation.a.B=1,"annotation-manifest[linux/amd64].c=x,y",annotation-manifest-descriptor.d=',
      'ctx',
    ],
    {
      outputs: [
        {
          ...image,
          annotations: [
            { on: 'manifest', key: 'a.B', value: '1' },
            { on: 'manifest', platform: 'linux/amd64', key: 'c', value: 'x,y' },
            { on: 'manifest-descriptor', key: 'd', value: '' },
          ],
        },
      ],
    },
  ],
  [
    ['--annotation', 'a=1=2', '--annotation', 'manifest[linux/arm64],manifest-descriptor:b:c=3', 'ctx'],
    {
      outputs: [
        {
          ...image,
          annotations: [
            { on: 'manifest', key: 'a', value: '1=2' },
            { on: 'manifest', platform: 'linux/arm64', key: 'b:c', value: '3' },
            { on: 'manifest-descriptor', key: 'b:c', value: '3' },
          ],
        },
      ],
    },
  ],
  [
    ['--annotation', 'a=1', '-o', 'out', '-o', 'type=image,annotation.a=2', 'ctx'],
    {
      outputs: [
        { type: 'local', tar: true, names: [], dest: join(dir, 'out') },
        {
          ...image,
          annotations: [
            { on: 'manifest', key: 'a', value: '1' },
            { on: 'manifest', key: 'a', value: '2' },
          ],
        },
      ],
    },
  ],
  [['--shm-size', '128m', 'ctx'], { shmSizeBytes: 128 << 20 }],
  [
    ['--ulimit', 'nofile=1024', '--ulimit', 'core=0:-1', '--ulimit', 'nofile=10:20', 'ctx'],
    {
      ulimits: [
        { name: 'nofile', soft: 10, hard: 20 },
        { name: 'core', soft: 0, hard: Number.POSITIVE_INFINITY },
      ],
    },
  ],
  [['--provenance=false', '--sbom', 'false', '--attest', 'type=provenance,disabled=true', 'ctx'], {}],
  [['--provenance', 'mode=max,disabled=1', '--allow', 'network.host', '--pull=false', 'ctx'], {}],
  [['--platform', 'linux/amd64,linux/amd64', 'ctx'], { platform: 'linux/amd64' }],
  [['--platform', 'linux/arm64', '--network', 'none', 'ctx'], { platform: 'linux/arm64', network: 'none' }],
  [['--add-host', 'a:1.2.3.4', 'ctx'], { extraHosts: [{ name: 'a', address: '1.2.3.4' }] }],
  [
    ['--add-host', 'a=[::1]', '--add-host', 'b:::1', 'ctx'],
    {
      extraHosts: [
        { name: 'a', address: '::1' },
        { name: 'b', address: '::1' },
      ],
    },
  ],
  [['--push=false', '--pull=false', '--rm', '--force-rm', '--load', 'ctx'], {}],
  [['--push', '--pull', 'ctx'], { pull: true, outputs: [{ ...image, push: { byDigest: false } }] }],
  [
    ['-o', 'type=registry,name=a', 'ctx'],
    { outputs: [{ ...image, names: ['a'], store: false, push: { byDigest: false, insecure: undefined } }] },
  ],
  [
    ['--push', '-o', 'type=tar,dest=-', 'ctx'],
    {
      outputs: [
        { type: 'tar', tar: true, names: [], dest: '-' },
        { ...image, store: false, push: { byDigest: false } },
      ],
    },
  ],
  [['-f', '-', 'ctx'], { file: '-', dockerfileText: 'FROM scratch\n' }],
]

for (const [argv, changed] of requests) {
  test(`tsbox build ${argv.join(' ')} asks the engine for what it says`, async () => {
    const { calls, status, stderr } = await runCli(
      ['build', ...argv],
      {},
      { cwd: dir, env: { FROM_ENV: '1' }, stdin: 'FROM scratch\n' },
    )
    assert.equal(stderr, '')
    assert.equal(status, 0)
    const { signal, stdout: _, ...request } = calls.find((c) => c.method === 'build')!.args[0] as BuildRequest
    assert.ok(signal instanceof AbortSignal)
    assert.deepEqual(request, { ...plain, ...changed })
  })
}

test('every name of build is the same command', async () => {
  for (const words of [
    ['image', 'build'],
    ['builder', 'build'],
    ['buildx', 'build'],
  ]) {
    const { calls } = await runCli([...words, 'ctx'], {}, { cwd: dir })
    assert.equal(calls[1]!.method, 'build')
  }
})

test('tsbox build - gives standard input to the build, with a Dockerfile of it where -f names one', async () => {
  let text = ''
  const { status, calls } = await runCli(
    ['build', '-f', 'sub/Dockerfile', '-'],
    {
      build: async ({ contextStream }) => {
        for await (const chunk of contextStream!) text += Buffer.from(chunk).toString()
        return { imageID: ID, manifestDigest: ID, tags: [] }
      },
    },
    { stdin: 'FROM x\n' },
  )
  assert.equal(status, 0)
  assert.equal(text, 'FROM x\n')
  assert.equal((calls[1]!.args[0] as BuildRequest).file, 'sub/Dockerfile')
})

test('TSBOX_BACKEND chooses the backend where the option does not', async () => {
  const backendOf = async (argv: string[], TSBOX_BACKEND: string) => {
    const { calls, status } = await runCli(['build', ...argv, 'ctx'], {}, { cwd: dir, env: { TSBOX_BACKEND } })
    return status === 0 ? (calls[1]!.args[0] as BuildRequest).backend : status
  }
  assert.equal(await backendOf([], 'wasi'), 'wasi')
  assert.equal(await backendOf(['--backend', 'auto'], 'wasi'), 'auto')
  assert.equal(await backendOf([], 'moby'), 1)
})

test('tsbox build writes the id and the digests to files, and with -q the id to stdout', async () => {
  const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: 'sha256:m', size: 7 }
  const names = ['a:1', 'b:1']
  const created = '2024-01-01T00:00:00Z'
  const built = { imageID: ID, manifestDigest: 'sha256:m', created, tags: names, image: { descriptor, names } }
  writeFileSync(join(dir, 'iid'), 'of an earlier build')
  const argv = ['build', '-q', '--iidfile', 'iid', '--metadata-file', 'meta', 'ctx']
  const { stdout } = await runCli(argv, { build: async () => built }, { cwd: dir })
  assert.equal(stdout, `${ID}\n`)
  assert.equal(readFileSync(join(dir, 'iid'), 'utf8'), ID)
  const metadata = JSON.parse(readFileSync(join(dir, 'meta'), 'utf8'))
  const annotations = { 'config.digest': ID, 'org.opencontainers.image.created': created }
  assert.deepEqual(metadata, {
    'containerimage.config.digest': ID,
    'containerimage.descriptor': { ...descriptor, annotations },
    'containerimage.digest': 'sha256:m',
    'image.name': 'a:1,b:1',
  })
  assert.deepEqual(Object.keys(metadata), Object.keys(metadata).sort())
})

test('tsbox build --metadata-file has the warnings where BUILDX_METADATA_WARNINGS asks for them', async () => {
  const source = { file: 'Dockerfile', text: 'from x\n' }
  const build = async (_: BuildRequest, progress: Parameters<Engine['build']>[1]) => {
    progress({ type: 'vertex', id: 1, name: 'v', digest: 'd', inputs: [] })
    progress({
      ...{ type: 'warning', id: 1, time: 1, rule: 'FromAsCasing', message: 'm', description: 'why' },
      ...{ url: 'https://u', line: 1, endLine: 1, source },
    })
    return { imageID: ID, manifestDigest: 'sha256:m', tags: [] }
  }
  const metadata = async (env: Record<string, string>) => {
    await runCli(['build', '--metadata-file', 'meta', 'ctx'], { build }, { cwd: dir, env })
    return JSON.parse(readFileSync(join(dir, 'meta'), 'utf8'))
  }
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  assert.deepEqual(await metadata({}), {})
  assert.deepEqual(await metadata({ BUILDX_METADATA_WARNINGS: '1' }), {
    'buildx.build.warnings': [
      {
        vertex: 'sha256:d',
        level: 1,
        short: base64('FromAsCasing: m (line 1)'),
        detail: [base64('why')],
        url: 'https://u',
        sourceInfo: { filename: 'Dockerfile', data: base64(source.text), language: 'Dockerfile' },
        range: [{ start: { line: 1 }, end: { line: 1 } }],
      },
    ],
  })
})

test('a build that fails leaves no id, not even that of an earlier one', async () => {
  writeFileSync(join(dir, 'iid'), 'of an earlier build')
  const build = async () => Promise.reject(new TsboxError('E_X', 'no'))
  assert.equal((await runCli(['build', '--iidfile', 'iid', 'ctx'], { build }, { cwd: dir })).status, 1)
  assert.ok(!existsSync(join(dir, 'iid')))
  const nowhere = await runCli(['build', '--metadata-file', 'none/meta', 'ctx'], {}, { cwd: dir })
  assert.equal(nowhere.status, 1)
  assert.match(nowhere.stderr, /write result: ENOENT: ".*none\/meta"/)
})

test('DOCKER_DEFAULT_PLATFORM is the platform where the option is not given', async () => {
  const platformOf = async (argv: string[]) => {
    const env = { DOCKER_DEFAULT_PLATFORM: 'linux/arm64' }
    return ((await runCli(['build', ...argv, 'ctx'], {}, { cwd: dir, env })).calls[1]!.args[0] as BuildRequest).platform
  }
  assert.equal(await platformOf([]), 'linux/arm64')
  assert.equal(await platformOf(['--platform', 'linux/amd64']), 'linux/amd64')
})

const refused: [argv: string[], status: number, message: RegExp][] = [
  [['--nope', 'ctx'], 125, /unknown flag: --nope/],
  [['--tagg', 'x', 'ctx'], 125, /unknown flag: --tagg\ndid you mean --tag\?/],
  [['-x', 'ctx'], 125, /unknown shorthand flag: 'x' in -x/],
  [['-qx', 'ctx'], 125, /unknown shorthand flag: 'x' in -qx/],
  [['-t'], 125, /flag needs an argument: 't' in -t/],
  [['--tag'], 125, /flag needs an argument: --tag/],
  [['--jobs', 'many', 'ctx'], 125, /invalid argument "many" for "--jobs" flag/],
  [['--no-cache=maybe', 'ctx'], 125, /invalid argument "maybe" for "--no-cache" flag/],
  [['--progress', 'fancy', 'ctx'], 125, /must be one of auto, plain, tty, rawjson, quiet/],
  [['-o', 'type=image,push-by-digest=true', 'ctx'], 125, /give push=true with it, or type=registry/],
  [['-o', 'type=image,dest=x', 'ctx'], 125, /unknown attribute "dest" of type image/],
  [['-o', 'type=zip,dest=x', 'ctx'], 125, /unknown type; there are image, docker, oci, local, tar, cacheonly/],
  [['-o', 'dest=x', 'ctx'], 125, /type is required/],
  [['-o', 'type=local', 'ctx'], 125, /dest=FOLDER is required/],
  [['-o', 'type=oci,tar=false', 'ctx'], 125, /dest=FOLDER is required/],
  [['-o', 'type=oci,tar=maybe,dest=x', 'ctx'], 125, /tar is true or false/],
  [['-o', 'type=oci,compression=estargz,dest=x', 'ctx'], 125, /estargz layers are not written/],
  [['-o', 'type=oci,compression=lz4,dest=x', 'ctx'], 125, /unknown compression "lz4"/],
  [['-o', 'type=oci,compression-level=3,dest=x', 'ctx'], 125, /give compression=gzip, zstd or uncompressed with it/],
  [['-o', 'type=oci,force-compression=true,dest=x', 'ctx'], 125, /give compression=gzip/],
  [['-o', 'type=oci,compression=uncompressed,compression-level=3', 'ctx'], 125, /has no compression-level/],
  [['-o', 'type=oci,compression=gzip,compression-level=10', 'ctx'], 125, /of gzip is a number from 0 to 9, not "10"/],
  [['-o', 'type=oci,compression=zstd,compression-level=-1', 'ctx'], 125, /of zstd is a number from 0 to 22, not "-1"/],
  [['-o', 'type=oci,force-compression=yes', 'ctx'], 125, /force-compression is true or false, not "yes"/],
  [['-o', 'type=local,dest=x,compression=gzip', 'ctx'], 125, /unknown attribute "compression" of type local/],
  [['-o', 'type=oci,unpack=true', 'ctx'], 125, /unknown attribute "unpack" of type oci/],
  [['-o', 'type=image,store=false,unpack=true', 'ctx'], 125, /unpack=true needs an image in the store/],
  [
    ['-o', 'type=image,dangling-name-prefix=x', 'ctx'],
    125,
    /dangling-name-prefix=x can't be honoured: an image without/,
  ],
  [['-o', 'type=image,name-canonical=true', 'ctx'], 125, /name-canonical=true can't be honoured/],
  [['-o', 'type=image,annotation-index.a=b', 'ctx'], 125, /index annotations not supported for single platform export/],
  [['-o', 'type=image,annotation-layer.a=b', 'ctx'], 125, /unknown annotation type "layer"/],
  [['-o', 'type=image,annotation[a/b/c/d].a=b', 'ctx'], 125, /invalid platform "a\/b\/c\/d"/],
  [['-o', 'type=image,annotation.a=b,oci-mediatypes=false', 'ctx'], 125, /docker's manifests have no annotations/],
  [['--annotation', 'a', 'ctx'], 125, /invalid annotation "a", expected key=value/],
  [['--annotation', 'thing:a=b', 'ctx'], 125, /unknown annotation type "thing"/],
  [['--annotation', 'index:a=b', 'ctx'], 125, /index annotations not supported for single platform export/],
  [['--annotation', 'manifest[x:a=b', 'ctx'], 125, /invalid annotation type "manifest\[x"/],
  [['--annotation', 'a=b', '-o', 'x', 'ctx'], 125, /no output has a manifest/],
  [
    ['--annotation', 'a=b', '-o', 'type=image,oci-mediatypes=false', 'ctx'],
    125,
    /docker's manifests have no annotations/,
  ],
  [['--attest', 'type=sbom', 'ctx'], 125, /cannot honour --attest=type=sbom: no attestations are made yet/],
  [['--attest', 'disabled=true', 'ctx'], 125, /attestation type not specified/],
  [['--attest', 'type=sbom,disabled=no', 'ctx'], 125, /disabled is true or false, not "no"/],
  [['--provenance=mode=max', 'ctx'], 125, /cannot honour --provenance=mode=max: no attestations are made yet/],
  [['--sbom=true', 'ctx'], 125, /cannot honour --sbom=true/],
  [['--allow', 'security.insecure', 'ctx'], 125, /cannot honour --allow=security.insecure: there is no root/],
  [['--allow', 'device=vendor/x', 'ctx'], 125, /cannot honour --allow=device=vendor\/x: devices/],
  [['--allow', 'all', 'ctx'], 125, /invalid entitlement "all"/],
  [['--platform', 'linux/amd64,linux/arm64', 'ctx'], 125, /one platform at a time/],
  [['--platform', 'linux/amd64', '--platform', 'linux/arm64', 'ctx'], 125, /one platform at a time/],
  [['--shm-size', 'big', 'ctx'], 125, /invalid size: 'big'/],
  [['--shm-size', '0', 'ctx'], 125, /it must be more than 0/],
  [['--ulimit', 'nofile', 'ctx'], 125, /invalid ulimit argument: nofile/],
  [['--ulimit', 'colour=1', 'ctx'], 125, /invalid ulimit type: colour/],
  [['--ulimit', 'locks=1', 'ctx'], 125, /the kernel has no limit of file locks any more/],
  [['--ulimit', 'nofile=2:1', 'ctx'], 125, /soft limit must be less than or equal to hard limit: 2 > 1/],
  [['--ulimit', 'nofile=-1:1', 'ctx'], 125, /soft limit must be less than or equal to hard limit: -1 > 1/],
  [['--ulimit', 'nofile=1:2:3', 'ctx'], 125, /too many limit value arguments - 1:2:3/],
  [['--ulimit', 'nofile=x', 'ctx'], 125, /not a number, nor -1 for no limit: "x"/],
  [['-o', 'type=tar,colour=red,dest=x', 'ctx'], 125, /unknown attribute "colour" of type tar/],
  [['-o', 'type=tar,dest', 'ctx'], 125, /field "dest" must be key=value/],
  [['-o', 'type=tar,dest=x', '-o', 'type=oci,dest=x', 'ctx'], 125, /another output goes there too/],
  [['-o', '-', '-o', 'type=oci', 'ctx'], 125, /another output goes there too/],
  [['-m', '1g', 'ctx'], 125, /cannot honour --memory: /],
  [[], 1, /'tsbox build' requires 1 argument\n\nUsage: {2}tsbox build \[OPTIONS\] PATH \| URL \| -/],
  [['a', 'b'], 1, /'tsbox build' requires 1 argument/],
  [['nowhere'], 1, /unable to prepare context: path "nowhere" not found/],
  [['-f', '-', '-'], 1, /can't use stdin for both build context and dockerfile/],
  [['--tag', '', 'ctx'], 125, /empty name/],
  [['--secret', 'src=x', 'ctx'], 125, /id is required/],
  [['--secret', 'id=a,src=none', 'ctx'], 1, /cannot read secret "a": no file/],
  [['--secret', 'id=a,colour=red', 'ctx'], 125, /unexpected key "colour"/],
  [['--build-context', 'n', 'ctx'], 125, /expected NAME=SOURCE/],
  [['--build-context', 'n=ftp://x', 'ctx'], 125, /contexts from ftp are not supported/],
  [['--add-host', 'a', 'ctx'], 125, /expected HOST:IP/],
  [['--add-host', 'a:b', 'ctx'], 125, /invalid IP address "b"/],
]

for (const [argv, status, message] of refused) {
  test(`tsbox build ${argv.join(' ')} exits with ${status}`, async () => {
    const outcome = await runCli(['build', ...argv], {}, { cwd: dir })
    assert.match(outcome.stderr, message)
    assert.equal(outcome.status, status)
    assert.ok(!outcome.calls.some((c) => c.method === 'build'))
  })
}

test('a failed build shows the last output of the step, the lines of the Dockerfile, and what failed', async () => {
  const text = 'FROM base\nENV A=1\nRUN exit 42\nCMD x\n'
  const { status, stderr, stdout } = await runCli(
    ['build', '--progress=plain', 'ctx'],
    {
      build: async (_, progress) => {
        progress({ type: 'vertex', id: 1, name: '[2/2] RUN exit 42', digest: 'd', inputs: [] })
        progress({ type: 'start', id: 1, time: 1000 })
        progress({ type: 'log', id: 1, time: 1123, stream: 2, data: Buffer.from('oh no\n') })
        const message = 'process "/bin/sh -c exit 42" did not complete successfully: exit code: 42'
        progress({ type: 'done', id: 1, time: 1300, cached: false, error: message })
        throw new TsboxError('E_STEP_FAILED', message, { location: { file: 'Dockerfile', line: 3, text } })
      },
    },
    { cwd: dir },
  )
  assert.equal(status, 1)
  assert.equal(stdout, '')
  assert.equal(
    stderr,
    `#1 [2/2] RUN exit 42
#1 0.123 oh no
#1 ERROR: process "/bin/sh -c exit 42" did not complete successfully: exit code: 42
------
 > [2/2] RUN exit 42:
0.123 oh no
------
Dockerfile:3
--------------------
   1 |     FROM base
   2 |     ENV A=1
   3 | >>> RUN exit 42
   4 |     CMD x
   5 |     
--------------------
ERROR: failed to build: failed to solve: process "/bin/sh -c exit 42" did not complete successfully: exit code: 42
`,
  )
})
