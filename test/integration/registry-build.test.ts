/** Builds that take from registries and give to them. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { makeBase, onPath, openCli, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import { cleanHome, type DockerRegistry, REGISTRY_PROGRAMS, startRegistry } from '../helpers/docker-registry.js'
import { requireProgram, runProgram } from '../helpers/programs.js'

const base = sharedCli()
const env = cleanHome(base.dir)
const cli = base.with(env)
let registry: DockerRegistry
before(async () => {
  if (!REGISTRY_PROGRAMS.every(([program]) => onPath(program))) return
  registry = await startRegistry(join(cli.dir, 'registry'))
  makeBase(cli)
  cli.ok(['tag', 'base', name('base')])
  cli.ok(['push', name('base')])
})
after(() => registry?.stop())

const name = (image: string) => `${registry.host}/team/${image}`
const elsewhere = (t: TestContext) => openCli(t, env)
const skopeo = (...args: string[]) => runProgram('skopeo', args, { env: { ...process.env, ...env } })

async function required(t: TestContext): Promise<boolean> {
  return REGISTRY_PROGRAMS.every(([program, pkg]) => requireProgram(t, program, pkg)) && requireBox(t)
}

test('FROM, COPY --from and docker-image:// take images of a registry; --push gives the result to one', async (t) => {
  if (!(await required(t))) return
  const one = elsewhere(t)
  const context = writeContext(one, {
    Dockerfile: `FROM ${name('base')}\nRUN echo made > /made\nCOPY --from=other /bin/sh /sh\nCOPY --from=${name('base')} /bin/cat /cat\n`,
  })
  const metadata = join(one.dir, 'metadata')
  const named = ['--build-context', `other=docker-image://${name('base')}`]
  const { log } = one.build(context, ['--push', '-t', name('built:1'), '--metadata-file', metadata, ...named])
  assert.match(log, /mounted from team\/base/)
  const digest = JSON.parse(readFileSync(metadata, 'utf8'))['containerimage.digest']
  if (requireProgram(t, 'skopeo')) {
    const raw = skopeo('inspect', '--tls-verify=false', `docker://${name('built:1')}`)
    assert.equal(JSON.parse(raw).Digest, digest)
  }
  const two = elsewhere(t)
  assert.equal(two.ok(['run', '--rm', name('built:1'), 'cat', '/made']), 'made\n')
  assert.match(two.run(['run', '--rm', '--pull', 'never', name('built:2')]).stderr, /no such image/)
  // It was built here too.
  assert.equal(one.ok(['run', '--rm', '--pull', 'never', name('built:1'), 'cat', '/made']), 'made\n')
  assert.deepEqual([...one.leftovers(), ...two.leftovers()], [])
})

test('type=registry pushes and keeps no name; by digest there is no tag', async (t) => {
  if (!(await required(t))) return
  const one = elsewhere(t)
  const context = writeContext(one, { Dockerfile: `FROM ${name('base')}\nCOPY f /f\n`, f: 'text\n' })
  one.build(context, ['-o', `type=registry,name=${name('pushed:1')},compression=zstd,oci-mediatypes=false`])
  assert.doesNotMatch(one.ok(['images']), /pushed/)
  const metadata = join(one.dir, 'metadata')
  const byDigest = ['-o', `type=image,push=true,push-by-digest=true,name=${name('untagged')}`]
  one.build(context, [...byDigest, '--metadata-file', metadata])
  const digest = JSON.parse(readFileSync(metadata, 'utf8'))['containerimage.digest']
  const two = elsewhere(t)
  for (const image of [name('pushed:1'), `${name('untagged')}@${digest}`])
    assert.equal(two.ok(['run', '--rm', image, 'cat', '/f']), 'text\n')
  const nameless = one.run(['build', '--push', context])
  assert.match(nameless.stderr, /tag is needed when pushing to registry\nhint: name the image with -t/)
})

test('--pull takes what the registry has now', async (t) => {
  if (!(await required(t))) return
  const one = elsewhere(t)
  const moved = name('moved:1')
  const push = (text: string) => {
    cli.build(writeContext(cli, { Dockerfile: `FROM base\nRUN echo ${text} > /which\n` }), ['-t', moved])
    cli.ok(['push', moved])
  }
  const context = writeContext(one, { Dockerfile: `FROM ${moved}\nRUN cat /which > /seen\n` })
  const seen = (...args: string[]) => {
    one.build(context, ['-t', 'seen', ...args])
    return one.ok(['run', '--rm', 'seen', 'cat', '/seen'])
  }
  push('first')
  assert.equal(seen(), 'first\n')
  push('second')
  assert.equal(seen(), 'first\n')
  assert.equal(seen('--pull'), 'second\n')
  assert.equal(one.ok(['run', '--rm', '--pull', 'always', moved, 'cat', '/which']), 'second\n')
})

test('an image that is nowhere is told with what its registry said', async (t) => {
  if (!(await required(t))) return
  const one = elsewhere(t)
  const context = writeContext(one, { Dockerfile: `FROM ${name('none:1')}\n` })
  const ran = one.run(['build', context])
  assert.equal(ran.code, 1)
  assert.match(
    ran.stderr,
    /no such image: localhost:\d+\/team\/none:1\nhint: it is not in the store; .*404 MANIFEST_UNKNOWN/,
  )
  const run = one.run(['run', '--rm', name('none:1')])
  assert.equal(run.code, 125)
  assert.match(run.stderr, /404 MANIFEST_UNKNOWN/)
})

test('a cache in a registry serves a build on another machine, cache mounts included', async (t) => {
  if (!(await required(t))) return
  const files = {
    Dockerfile: `FROM ${name('base')} AS one\nRUN --mount=type=cache,id=kept,target=/c echo made > /one && echo kept >> /c/f\nFROM ${name('base')}\nCOPY --from=one /one /one\nCOPY f /f\nRUN --mount=type=cache,id=kept,target=/c cat /c/f /f > /two\n`,
    f: 'first\n',
  }
  const first = elsewhere(t)
  const ref = name('cache:main')
  const to = ['--cache-to', `type=registry,ref=${ref},mode=max,image-manifest=true`]
  const from = ['--cache-from', `type=registry,ref=${ref}`]
  // What is not there yet is no fault.
  const { log } = first.build(writeContext(first, files), ['-t', 'x', ...from, ...to])
  assert.match(log, /no cache at registry:\S+ yet/)
  assert.match(log, /exporting cache to registry/)
  const second = elsewhere(t)
  const again = second.build(writeContext(second, files), ['-t', 'x', ...from])
  assert.match(again.log, /cat \/c\/f \/f > \/two\n#\d+ CACHED/)
  assert.equal(second.ok(['run', '--rm', 'x', 'cat', '/two']), 'kept\nfirst\n')
  const third = elsewhere(t)
  third.build(writeContext(third, { ...files, f: 'second\n' }), ['-t', 'x', ...from, ...to])
  assert.equal(third.ok(['run', '--rm', 'x', 'cat', '/two']), 'kept\nsecond\n')
  for (const cli of [first, second, third]) assert.deepEqual(cli.leftovers(), [])
})

test('an inline cache of an image in a registry is taken by its name; an export that fails fails no build', async (t) => {
  if (!(await required(t))) return
  const one = elsewhere(t)
  const context = writeContext(one, { Dockerfile: `FROM ${name('base')}\nRUN echo made > /made\n` })
  one.build(context, ['--push', '-t', name('inline:1'), '--cache-to', 'type=inline'])
  const two = elsewhere(t)
  const { log } = two.build(context, ['--cache-from', name('inline:1')])
  assert.match(log, /RUN echo made > \/made\n#\d+ CACHED/)
  const refused = two.build(context, ['--cache-to', 'type=registry,ref=localhost:1/x/y'])
  assert.match(
    refused.log,
    /WARN: CacheExport: .*localhost:1 can't be reached.*: the image is built, the cache is what it was/,
  )
  const failed = two.run(['build', context, '--cache-to', 'type=registry,ref=localhost:1/x/y,ignore-error=false'])
  assert.equal(failed.code, 1)
})
