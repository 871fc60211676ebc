import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { TsboxError } from '../../src/base/error.js'
import type { BuildRequest } from '../../src/engine/api.js'
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
  const built = { imageID: ID, manifestDigest: 'sha256:m', tags: ['a:1', 'b:1'] }
  const argv = ['build', '-q', '--iidfile', 'iid', '--metadata-file', 'meta', 'ctx']
  const { stdout } = await runCli(argv, { build: async () => built }, { cwd: dir })
  assert.equal(stdout, `${ID}\n`)
  assert.equal(readFileSync(join(dir, 'iid'), 'utf8'), ID)
  assert.deepEqual(JSON.parse(readFileSync(join(dir, 'meta'), 'utf8')), {
    'containerimage.config.digest': ID,
    'containerimage.digest': 'sha256:m',
    'image.name': 'a:1,b:1',
  })
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
  [['--push', 'ctx'], 125, /cannot honour --push: /],
  [['-o', 'type=registry,name=a', 'ctx'], 125, /tsbox does not talk to registries yet/],
  [['-o', 'type=image,push=true', 'ctx'], 125, /tsbox does not talk to registries yet/],
  [['-o', 'type=image,dest=x', 'ctx'], 125, /unknown attribute "dest" of type image/],
  [['-o', 'type=zip,dest=x', 'ctx'], 125, /unknown type; there are image, docker, oci, local, tar, cacheonly/],
  [['-o', 'dest=x', 'ctx'], 125, /type is required/],
  [['-o', 'type=local', 'ctx'], 125, /dest=FOLDER is required/],
  [['-o', 'type=oci,tar=false', 'ctx'], 125, /dest=FOLDER is required/],
  [['-o', 'type=oci,tar=maybe,dest=x', 'ctx'], 125, /tar is true or false/],
  [['-o', 'type=oci,compression=gzip,dest=x', 'ctx'], 125, /compression=gzip is not supported yet/],
  [['-o', 'type=tar,colour=red,dest=x', 'ctx'], 125, /unknown attribute "colour" of type tar/],
  [['-o', 'type=tar,dest', 'ctx'], 125, /field "dest" must be key=value/],
  [['-o', 'type=tar,dest=x', '-o', 'type=oci,dest=x', 'ctx'], 125, /another output goes there too/],
  [['-o', '-', '-o', 'type=oci', 'ctx'], 125, /another output goes there too/],
  [['--ssh=default', 'ctx'], 125, /cannot honour --ssh: /],
  [['-m', '1g', 'ctx'], 125, /cannot honour --memory: /],
  [[], 1, /'tsbox build' requires 1 argument\n\nUsage: {2}tsbox build \[OPTIONS\] PATH \| URL \| -/],
  [['a', 'b'], 1, /'tsbox build' requires 1 argument/],
  [['nowhere'], 1, /unable to prepare context: path "nowhere" not found/],
  [['https://example.com/x.git'], 1, /git repositories are not read yet/],
  [['-f', '-', '-'], 1, /can't use stdin for both build context and dockerfile/],
  [['--tag', '', 'ctx'], 125, /empty name/],
  [['--secret', 'src=x', 'ctx'], 125, /id is required/],
  [['--secret', 'id=a,src=none', 'ctx'], 1, /cannot read secret "a": no file/],
  [['--secret', 'id=a,colour=red', 'ctx'], 125, /unexpected key "colour"/],
  [['--build-context', 'n', 'ctx'], 125, /expected NAME=SOURCE/],
  [['--build-context', 'n=ftp://x', 'ctx'], 125, /contexts from ftp are not supported/],
  [['--build-context', 'n=https://u:p@x/y.git', 'ctx'], 125, /git repositories are not read yet/],
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
