/** `unshare`, `system reset`, `info`, `version`: the machine as tsbox sees it, and the end of its store. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { STORE_NAMES } from '../../src/store/place.js'
import { Cli, HAS_SUBIDS, makeBase, mountsOf, processesOf, REPO, requireBox, sharedCli } from '../helpers/cli.js'
import { filesBelow } from '../helpers/sources.js'

const shared = sharedCli()
const MODES = HAS_SUBIDS ? ['subid', 'single'] : ['single']
const fresh = (name: string): Cli => {
  mkdirSync(join(shared.dir, name))
  return new Cli(join(shared.dir, name))
}

test('unshare runs a program as root of the mapping, with its exit code', async (t) => {
  if (!(await requireBox(t))) return
  const cli = fresh('unshare')
  for (const mode of MODES) {
    const run = (...command: string[]) => cli.run(['unshare', `--userns=${mode}`, ...command])
    assert.equal(run('id', '-u').stdout, '0\n')
    assert.equal(run('sh', '-c', 'exit 7').code, 7)
    assert.equal(run('sh', '-c', 'kill -TERM $$').code, 143)
    assert.equal(run('nosuch').code, 127)
    assert.equal(run('/').code, 126)
    const map = run('cat', '/proc/self/uid_map').stdout.trim().split('\n')
    assert.equal(map.length, mode === 'subid' ? 2 : 1, map.join('\n'))
  }
  assert.equal(cli.run(['unshare', 'sh', '-c', 'echo "$SHELL$1"', 'x', '-y']).stdout.trim().slice(-2), '-y')
  assert.equal(cli.with({ SHELL: '/bin/true' }).run(['unshare']).code, 0)
})

// Without subordinate ids there are no files of others.
if (HAS_SUBIDS)
  test('in unshare, files of mapped ids can be read and removed', async (t) => {
    if (!(await requireBox(t))) return
    const cli = fresh('mend')
    const file = join(cli.dir, 'theirs')
    cli.ok(['unshare', 'sh', '-c', `mkdir ${file}; echo x >${file}/f; chown -R 33:33 ${file}; chmod 700 ${file}`])
    assert.throws(() => readFileSync(join(file, 'f')), /EACCES/)
    assert.equal(cli.ok(['unshare', 'cat', join(file, 'f')]), 'x\n')
    cli.ok(['unshare', 'rm', '-r', file])
    assert.ok(!existsSync(file))
  })

test('system reset ends what runs and leaves nothing of the store', async (t) => {
  if (!(await requireBox(t))) return
  const cli = fresh('reset')
  makeBase(cli, ['chown', 'mkdir', 'chmod'])
  for (const mode of MODES) {
    const script = 'mkdir -p /a/b && chown -R 33:33 /a && chmod 000 /a/b; echo ready; sleep 1000'
    cli.ok(['run', '-d', `--userns=${mode}`, '-v', `v-${mode}:/v`, 'base', 'sh', '-c', script])
    cli.ok(['run', `--userns=${mode}`, 'base', 'chown', '1:1', '/root'])
  }
  const foreground = cli.start(['run', '--rm', 'base', 'sh', '-c', 'echo ready; sleep 1000'])
  await foreground.until(/ready/)
  const no = cli.run(['system', 'reset'], { input: 'n\n' })
  assert.match(no.stderr, /WARNING! This will remove/)
  assert.ok(existsSync(cli.root))
  assert.deepEqual(cli.run(['system', 'reset', '-f']), { code: 0, signal: null, stdout: '', stderr: '' })
  assert.equal((await foreground.ended).code, 137)
  assert.ok(!existsSync(cli.root))
  assert.deepEqual([processesOf(cli), mountsOf(cli.root)], [[], []])
  assert.equal(cli.run(['system', 'reset', '-f']).code, 0, 'nothing is there')
  makeBase(cli)
  writeFileSync(join(cli.root, 'foreign'), 'mine')
  assert.match(cli.run(['system', 'reset', '-f']).stderr, /not tsbox's own, and left: foreign/)
  assert.equal(readFileSync(join(cli.root, 'foreign'), 'utf8'), 'mine')
})

test('system reset waits for nobody: it refuses while another tsbox works', async (t) => {
  if (!(await requireBox(t))) return
  const cli = fresh('busy')
  const context = join(cli.dir, 'context')
  mkdirSync(context)
  makeBase(cli)
  writeFileSync(join(context, 'Dockerfile'), 'FROM base\nRUN echo begun && sleep 100\n')
  const build = cli.start(['build', '--progress=plain', context])
  await build.until(/\d begun/)
  const ran = cli.run(['system', 'reset', '-f'])
  assert.match(ran.stderr, /another tsbox works with the store: process \d+/)
  assert.equal(ran.code, 1)
  build.child.kill('SIGTERM')
  await build.ended
  assert.equal(cli.run(['system', 'reset', '-f']).code, 0)
})

test('every name in the store is known to reset', () => {
  const used = filesBelow(join(REPO, 'src'), '.ts').flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/place\.path\('([a-z.]+)'/g)].map((m) => m[1]!),
  )
  assert.ok(used.length > 20)
  assert.deepEqual(
    [...new Set(used)].filter((name) => !STORE_NAMES.includes(name)),
    [],
  )
})

test('info and version have the fields of docker', async (t) => {
  if (!(await requireBox(t))) return
  const cli = fresh('info')
  makeBase(cli)
  cli.ok(['create', 'base', 'true'])
  const info = JSON.parse(cli.ok(['info', '--format', 'json'])) as Record<string, unknown>
  assert.deepEqual([info.Containers, info.ContainersRunning, info.Images], [1, 0, 1])
  assert.equal(info.DockerRootDir, cli.root)
  assert.equal(cli.ok(['info', '-f', '{{.OSType}} {{.ContainersStopped}}']), 'linux 1\n')
  assert.match(cli.ok(['system', 'info']), /^ Storage Driver: overlayfs$/m)
  const versions = JSON.parse(cli.ok(['version', '-f', 'json'])) as Record<string, { Version: string }>
  assert.equal(versions.Client!.Version, versions.Server!.Version)
  assert.equal(cli.ok(['version', '-f', '{{.Server.Version}}']).trim(), versions.Server!.Version)
  assert.match(cli.ok(['version']), /^ OS\/Arch: +linux\//m)
})
