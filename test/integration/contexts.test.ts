/** Where a build takes files from: pipes, URLs, and contexts given by name. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { makeBase, onPath, requireBox, sharedCli, skip, writeContext } from '../helpers/cli.js'
import { buildAside, runAside, serve } from '../helpers/web.js'

const cli = sharedCli()
before(() => makeBase(cli))

const FILES = {
  Dockerfile: 'FROM base\nCOPY . /c\n',
  'other/Second.Dockerfile': 'FROM base\nCOPY seen.txt /second\n',
  'seen.txt': 'seen',
  'hidden.txt': 'hidden',
  'deep/kept.txt': 'kept',
  'deep/left.txt': 'left',
  '.dockerignore': 'hidden.txt\ndeep\n!deep/kept.txt\n',
  'other/Second.Dockerfile.dockerignore': 'deep\n',
}

/** The files as a tar, with owners that a context has not. */
function packed(flags: string, files: Readonly<Record<string, string>> = FILES): Buffer {
  const dir = writeContext(cli, files)
  return execFileSync('tar', ['--owner=77', '--group=78', ...flags.split(' '), '-cf', '-', '-C', dir, '.'], {
    maxBuffer: 1 << 26,
  })
}

const SEEN =
  '/c/.dockerignore\n/c/Dockerfile\n/c/deep/kept.txt\n/c/other/Second.Dockerfile\n/c/other/Second.Dockerfile.dockerignore\n/c/seen.txt\n'
const LIST = ['run', '--rm', 'piped', 'sh', '-c', 'find /c -type f | sort']

const PACKINGS: [flags: string, program: string | undefined][] = [
  ['--format=ustar', undefined],
  ['--format=gnu', undefined],
  ['-z', undefined],
  ['-j', 'bzip2'],
  ['-J', 'xz'],
  ['--zstd', 'zstd'],
]
for (const [flags, program] of PACKINGS)
  test(`a tar on standard input (${flags}) is a context, its .dockerignore applied`, async (t) => {
    if (!(await requireBox(t))) return
    if (program && !onPath(program)) return void skip(t, `${program} is not installed: sudo apt-get install ${program}`)
    cli.build('-', ['-t', 'piped'], { input: packed(flags) })
    assert.equal(cli.ok(LIST), SEEN)
    assert.equal(cli.ok(['run', '--rm', 'piped', 'stat', '-c', '%u:%g %n', '/c/seen.txt']), '0:0 /c/seen.txt\n')
    assert.deepEqual(cli.leftovers(), [])
  })

test('-f names a Dockerfile of the tar, which may have a .dockerignore of its own', async (t) => {
  if (!(await requireBox(t))) return
  const input = packed('-z', {
    ...FILES,
    'other/Second.Dockerfile': 'FROM base\nCOPY . /c\n',
  })
  cli.build('-', ['-t', 'piped', '-f', './other/Second.Dockerfile'], { input })
  assert.doesNotMatch(cli.ok(LIST), /deep/)
  assert.match(cli.ok(LIST), /hidden/)
  const ran = cli.run(['build', '-f', 'absent', '-'], { input })
  assert.match(ran.stderr, /failed to read dockerfile: open absent: no such file or directory/)
})

test('a Dockerfile on standard input has no other files', async (t) => {
  if (!(await requireBox(t))) return
  cli.build('-', ['-t', 'piped'], { input: 'FROM base\nRUN echo piped > /made\n' })
  assert.equal(cli.ok(['run', '--rm', 'piped', 'cat', '/made']), 'piped\n')
  assert.match(cli.run(['build', '-'], { input: 'FROM base\nCOPY a /a\n' }).stderr, /no such file or directory "\/a"/)
  const both = cli.run(['build', '-f', 'x', '-'], { input: 'FROM base\n' })
  assert.match(both.stderr, /ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles/)
})

test('what is neither a tar nor a Dockerfile is told as such', () => {
  for (const input of [Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6]), Buffer.from('FROM\0base')]) {
    const { stderr, code } = cli.run(['build', '-'], { input })
    assert.equal(code, 1)
    assert.match(stderr, /read build context: neither a tar archive nor a Dockerfile/)
  }
  assert.deepEqual(cli.leftovers(), [])
})

test('a tar behind a URL is a context; what did not change is not sent again', async (t) => {
  if (!(await requireBox(t))) return
  const web = await serve(t, { '/c.tar.gz': { body: packed('-z'), headers: { etag: '"x"' } } })
  await buildAside(cli, ['-t', 'piped', `${web.url}/c.tar.gz`])
  assert.equal(cli.ok(LIST), SEEN)
  const again = await buildAside(cli, ['-t', 'piped', '-f', 'other/Second.Dockerfile', `${web.url}/c.tar.gz`])
  assert.match(again.log, /Second.Dockerfile/)
  assert.equal(cli.ok(['run', '--rm', 'piped', 'cat', '/second']), 'seen')
  assert.deepEqual(
    web.asked.map((a) => a.status),
    [200, 304],
  )
})

test('a Dockerfile behind a URL is built alone; with -f - the URL is only the context', async (t) => {
  if (!(await requireBox(t))) return
  const web = await serve(t, {
    '/Dockerfile': 'FROM base\nRUN echo url > /made\n',
    '/c.tar': { body: packed('--format=ustar') },
  })
  await buildAside(cli, ['-t', 'piped', `${web.url}/Dockerfile`])
  assert.equal(cli.ok(['run', '--rm', 'piped', 'cat', '/made']), 'url\n')
  await buildAside(cli, ['-t', 'piped', '-f', '-', `${web.url}/c.tar`], { input: 'FROM base\nCOPY seen.txt /s\n' })
  assert.equal(cli.ok(['run', '--rm', 'piped', 'cat', '/s']), 'seen')
  const { log, code } = await runAside(cli, ['build', `${web.url}/absent`])
  assert.equal(code, 1)
  assert.match(log, /invalid response status 404/)
})

/** Builds with a context `n` and says what is in the image. */
async function withContext(t: TestContext, source: string, Dockerfile: string, command: string): Promise<string> {
  if (!(await requireBox(t))) return ''
  const context = writeContext(cli, { Dockerfile })
  await buildAside(cli, ['-t', 'named', '--build-context', `n=${source}`, context])
  return cli.ok(['run', '--rm', 'named', 'sh', '-c', command])
}

test('a folder: for COPY --from, mounts, with its .dockerignore', async (t) => {
  if (!(await requireBox(t))) return
  const dir = writeContext(cli, FILES)
  const text = 'FROM base\nCOPY --from=n . /c\nRUN --mount=from=n,target=/m cat /m/seen.txt > /mounted\n'
  assert.equal(await withContext(t, dir, text, 'find /c -type f | sort; cat /mounted'), `${SEEN}seen`)
})

test('a folder is a base too', async (t) => {
  if (!(await requireBox(t))) return
  const dir = writeContext(cli, { 'etc/motd': 'hello' })
  const text = 'FROM n AS b\nFROM base\nCOPY --from=b /etc/motd /motd\n'
  assert.equal(await withContext(t, dir, text, 'cat /motd'), 'hello')
})

test('docker-image:// replaces a base by any of its names', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, { Dockerfile: 'FROM docker.io/library/absent:latest\nRUN echo ok > /ok\n' })
  cli.build(context, ['-t', 'named', '--build-context', 'absent=docker-image://base'])
  assert.equal(cli.ok(['run', '--rm', 'named', 'cat', '/ok']), 'ok\n')
})

test('target: is a stage of the Dockerfile', async (t) => {
  const text =
    'FROM base AS one\nRUN echo one > /which\nFROM base\nCOPY --from=n /which /w\nFROM n\nCOPY --from=n /which /again\n'
  assert.equal(await withContext(t, 'target:one', text, 'cat /which /again'), 'one\none\n')
  const context = writeContext(cli, { Dockerfile: 'FROM base AS one\nCOPY --from=n /x /y\n' })
  const circle = cli.run(['build', '--build-context', 'n=target:one', context])
  assert.match(circle.stderr, /circular dependency detected on stage: one/)
  const absent = cli.run(['build', '--build-context', 'n=target:two', context])
  assert.match(absent.stderr, /target stage "two" could not be found/)
})

test('a tar behind a URL', async (t) => {
  const web = await serve(t, { '/n.tgz': { body: packed('-z') }, '/text': 'no tar' })
  assert.equal(await withContext(t, `${web.url}/n.tgz`, 'FROM base\nCOPY --from=n . /c\n', LIST.at(-1)!), SEEN)
  const context = writeContext(cli, { Dockerfile: 'FROM base\nCOPY --from=n . /c\n' })
  const { log } = await runAside(cli, ['build', '--build-context', `n=${web.url}/text`, context])
  assert.match(log, /what "n" names is no tar archive/)
})

test('oci-layout:// takes an image by tag, by digest, or the only one', async (t) => {
  if (!(await requireBox(t))) return
  const built = ['one', 'two'].map((tag) => {
    const Dockerfile = `FROM base\nRUN echo ${tag} > /tag\n`
    return cli.build(writeContext(cli, { Dockerfile }), ['-t', `laid:${tag}`]).id
  })
  /** Saves images and unpacks the archive, which is an OCI layout. */
  const layout = (...names: string[]) => {
    const dir = mkdtempSync(join(cli.dir, 'layout:'))
    cli.ok(['save', '-o', `${dir}.tar`, ...names])
    execFileSync('tar', ['-xf', `${dir}.tar`, '-C', dir])
    return dir
  }
  const [both, single] = [layout('laid:one', 'laid:two'), layout('laid:two')]
  const { manifests } = JSON.parse(readFileSync(join(both, 'index.json'), 'utf8'))
  cli.ok(['rmi', 'laid:one', 'laid:two'])
  assert.equal(built.length, 2)
  const said = (source: string) => withContext(t, source, 'FROM n\nRUN cat /tag > /said\n', 'cat /said')
  assert.equal(await said(`oci-layout://${both}:one`), 'one\n')
  assert.equal(await said(`oci-layout://${both}@${manifests[1].digest}`), 'two\n')
  assert.equal(await said(`oci-layout://${single}`), 'two\n')
  const context = writeContext(cli, { Dockerfile: 'FROM n\n' })
  const build = (source: string) => cli.run(['build', '--build-context', `n=${source}`, context]).stderr
  assert.match(build(`oci-layout://${both}`), /no such image: oci-layout:/)
  assert.match(build(`oci-layout://${both}:three`), /no such image: oci-layout:/)
  assert.match(build(`oci-layout://${context}`), /not an OCI layout folder/)
  writeFileSync(join(both, 'blobs/sha256', manifests[0].digest.slice(7)), 'other')
  assert.match(build(`oci-layout://${both}:one`), /other content than its digest/)
})
