/** Indexes for several platforms: made, changed, pushed, and seen by skopeo. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { onPath, sharedCli, writeContext } from '../helpers/cli.js'
import { cleanHome, type DockerRegistry, REGISTRY_PROGRAMS, startRegistry } from '../helpers/docker-registry.js'
import { requireProgram, runProgram } from '../helpers/programs.js'

const base = sharedCli()
const env = cleanHome(base.dir)
const cli = base.with(env)
const has = REGISTRY_PROGRAMS.every(([program]) => onPath(program))
let first: DockerRegistry
let second: DockerRegistry
const digests: Record<string, string> = {}

before(async () => {
  if (!has) return
  first = await startRegistry(join(cli.dir, 'first'))
  second = await startRegistry(join(cli.dir, 'second'))
  for (const platform of ['linux/amd64', 'linux/arm64', 'linux/arm/v7']) {
    const tag = platform.replaceAll('/', '-')
    const context = writeContext(cli, { Dockerfile: 'FROM scratch\nCOPY a /a\n', a: `${platform}\n` })
    cli.build(context, ['--platform', platform, '-t', `${first.host}/app:${tag}`])
    digests[platform] = /sha256:[0-9a-f]{64}/.exec(cli.ok(['push', `${first.host}/app:${tag}`]))![0]
  }
})
after(async () => {
  await first?.stop()
  await second?.stop()
})

function required(t: TestContext, ...more: string[]): boolean {
  return (
    REGISTRY_PROGRAMS.every(([program, name]) => requireProgram(t, program, name)) &&
    more.every((program) => requireProgram(t, program))
  )
}

const image = (platform: string) => `${first.host}/app:${platform.replaceAll('/', '-')}`
const raw = (name: string) =>
  JSON.parse(
    runProgram('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`], {
      env: { ...process.env, ...env },
    }).toString(),
  )

test('a list is created, annotated, pushed to another registry with its images, and removed', (t) => {
  if (!required(t, 'skopeo')) return
  const list = `${second.host}/multi/app:1`
  assert.equal(
    cli.ok(['manifest', 'create', list, image('linux/amd64'), image('linux/arm64')]),
    `Created manifest list ${list}\n`,
  )
  const twice = cli.run(['manifest', 'create', list, image('linux/amd64')])
  assert.equal(twice.code, 1)
  assert.match(twice.stderr, /it is there already/)
  cli.ok(['manifest', 'create', '--amend', list, image('linux/arm/v7')])
  cli.ok(['manifest', 'annotate', '--os-version', '10', '--variant', 'v8', list, image('linux/arm64')])
  const here = JSON.parse(cli.ok(['manifest', 'inspect', list]))
  const digest = cli.ok(['manifest', 'push', list]).trim()
  const there = raw(list)
  assert.deepEqual(there, here)
  assert.deepEqual(
    there.manifests.map((m: { digest: string; platform: unknown }) => [m.digest, m.platform]),
    [
      [digests['linux/amd64'], { architecture: 'amd64', os: 'linux' }],
      [digests['linux/arm64'], { architecture: 'arm64', os: 'linux', variant: 'v8', 'os.version': '10' }],
      [digests['linux/arm/v7'], { architecture: 'arm', os: 'linux', variant: 'v7' }],
    ],
  )
  // Every image came along.
  cli.ok(['pull', '--platform', 'linux/arm/v7', list])
  assert.equal(JSON.parse(cli.ok(['inspect', list]))[0].Architecture, 'arm')
  assert.equal(cli.ok(['manifest', 'rm', list]), `Deleted: ${list}\n`)
  const seen = JSON.parse(cli.ok(['manifest', 'inspect', '--verbose', list]))
  assert.deepEqual(
    seen.map((m: { Ref: string }) => m.Ref.split('@')[1]),
    Object.values(digests),
  )
  assert.match(digest, /^sha256:/)
  assert.match(cli.run(['manifest', 'rm', list]).stderr, /no such manifest list/)
})

test('imagetools combines, adds and shows', (t) => {
  if (!required(t, 'skopeo')) return
  const tag = `${first.host}/app:all`
  const dry = JSON.parse(cli.ok(['imagetools', 'create', '--dry-run', image('linux/amd64')]))
  assert.equal(dry.manifests.length, 1)
  const digest = cli.ok(['imagetools', 'create', '-t', tag, image('linux/amd64')]).trim()
  assert.match(digest, /^sha256:/)
  cli.ok(['imagetools', 'create', '--append', '-t', tag, image('linux/arm64')])
  assert.deepEqual(
    raw(tag).manifests.map((m: { digest: string }) => m.digest),
    [digests['linux/amd64'], digests['linux/arm64']],
  )
  const shown = cli.ok(['imagetools', 'inspect', tag])
  assert.match(shown, /Platform: {2}linux\/arm64/)
  assert.deepEqual(JSON.parse(cli.ok(['imagetools', 'inspect', '--raw', tag])), raw(tag))
  assert.match(cli.ok(['imagetools', 'inspect', '--format', '{{.manifest.digest}}', tag]), /^sha256:/)
  const none = cli.run(['imagetools', 'create', image('linux/amd64')])
  assert.equal(none.code, 125)
  assert.deepEqual(cli.leftovers(), [])
})
