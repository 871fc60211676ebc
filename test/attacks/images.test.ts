/**
 * Images that try to reach the host: links at places where tsbox writes, mounts or reads. Whatever a container does
 * then, nothing outside of its root is read or changed.
 */
import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import { tarOf } from '../helpers/layers.js'

const cli = sharedCli()
before(() => makeBase(cli))

const SECRET = 'only-the-host-has-this'

/** A folder of the host that must stay as it is, with what a container would look for. */
function canary(): { dir: string; state: () => string } {
  const dir = join(writeContext(cli, { secret: SECRET }), 'canary')
  mkdirSync(dir)
  for (const name of ['passwd', 'group', 'hosts', 'hostname', 'resolv.conf', 'null', 'secret', 'file'])
    writeFileSync(join(dir, name), `${SECRET}:x:0:0::/:/bin/sh\n`)
  mkdirSync(join(dir, 'sub'))
  const state = () =>
    readdirSync(dir, { recursive: true })
      .map(String)
      .sort()
      .map((name) => {
        const st = lstatSync(join(dir, name))
        const text = st.isFile() ? readFileSync(join(dir, name), 'utf8') : ''
        return `${name} ${st.mode} ${st.uid} ${st.size} ${st.mtimeMs} ${text}`
      })
      .join('\n')
  return { dir, state }
}

/** What makes a root hostile, in the folder that becomes it; `$C` is the canary's folder as the host knows it. */
const attacks: Record<string, { make: string; run?: string[]; args?: string[] }> = {
  '/etc is a link': { make: 'rm -rf etc && ln -s $C etc' },
  '/etc is a link upwards': { make: 'rm -rf etc && ln -s ../../../../../../../../../..$C etc' },
  '/etc is a link to itself': { make: 'rm -rf etc && ln -s etc etc' },
  'files of /etc are links': {
    make: 'for f in hosts hostname resolv.conf passwd group; do rm -f etc/$f; ln -s $C/$f etc/$f; done',
  },
  '/dev is a link': { make: 'ln -s $C dev' },
  '/proc is a link': { make: 'ln -s $C proc' },
  '/sys is a link': { make: 'ln -s $C sys' },
  '/proc, /sys and /dev are files': { make: 'echo > proc; echo > sys; echo > dev' },
  'the working directory leads through a link': { make: 'ln -s $C w', args: ['-w', '/w/made/deep'] },
  'the working directory is a link to nowhere': { make: 'ln -s $C/new w', args: ['-w', '/w'] },
  'devices, terminals and the console are links': {
    make: 'mkdir -p dev && for f in null zero tty console ptmx; do ln -s $C/null dev/$f; done; ln -s $C dev/pts; ln -s $C dev/shm',
    args: ['-t'],
  },
  'what is hidden, and files that tsbox makes, are links': {
    make: 'mkdir -p proc sys/devices && ln -s $C/file proc/kcore && ln -s $C sys/firmware && ln -s $C proc/sys && ln -s $C h',
    args: ['--security-opt', 'mask=/h:/h/secret', '--tmpfs', '/h/t', '--read-only'],
  },
  'a volume leads through a link': { make: 'ln -s $C v', args: ['-v', '/v/new'] },
  'a named volume is on a link': { make: 'ln -s $C v', args: ['-v', 'named:/v'] },
  'the program is a link': { make: 'ln -s $C/file prog', run: ['/prog'] },
  'the account file is a link, and a user is asked for': {
    make: 'rm etc/passwd && ln -s $C/passwd etc/passwd',
    args: ['-u', SECRET],
  },
}

/** A root below `/r`, which steps change without being in it. */
const ROOT = `FROM base AS root
RUN mkdir /r && cd /r && for d in bin sbin lib lib32 lib64 usr etc tmp root; do test ! -e /$d || cp -a /$d .; done
`

for (const [what, { make, run, args }] of Object.entries(attacks))
  test(`nothing of the host is touched where ${what}`, async (t) => {
    if (!(await requireBox(t))) return
    const { dir, state } = canary()
    const before = state()
    const Dockerfile = `${ROOT}RUN cd /r && C=${dir} && ${make}\nFROM scratch\nCOPY --from=root /r/ /\n`
    cli.build(writeContext(cli, { Dockerfile }), ['-t', 'hostile'])
    const look = ['sh', '-c', `cat /etc/hosts /etc/passwd ${dir}/secret /v/secret /w/secret; echo > ${dir}/x; echo up`]
    const ran = cli.run(['run', '--rm', ...(args ?? []), 'hostile', ...(run ?? look)])
    assert.equal(state(), before)
    assert.doesNotMatch(ran.stdout, new RegExp(SECRET), 'nothing is read')
    assert.doesNotMatch(ran.stderr, /BUG/)
    const next = cli.run([
      'build',
      writeContext(cli, { Dockerfile: 'FROM hostile\nWORKDIR /w/more\nRUN echo > /etc/x; true\n' }),
    ])
    assert.doesNotMatch(next.stderr, /BUG/)
    assert.equal(state(), before)
    assert.deepEqual(cli.leftovers(), [])
  })

test('COPY through links of the image stays in it', async (t) => {
  if (!(await requireBox(t))) return
  const { dir, state } = canary()
  const before = state()
  const Dockerfile = `FROM base
RUN ["sh", "-c", "ln -s ${dir} /abs && ln -s ../../../../../../..${dir} /up && mkdir /d && ln -s ${dir}/file /d/file"]
COPY file /abs/
COPY file /up/made/
COPY file /d/file
COPY --chown=1:1 --chmod=777 file /abs/file
ADD --chown=1:1 folder/ /up/
WORKDIR /abs/w
RUN true
FROM scratch
COPY --from=0 /abs/secret /
`
  const context = writeContext(cli, { Dockerfile, file: 'mine', 'folder/sub/file': 'mine' })
  const ran = cli.run(['build', '--progress', 'plain', context])
  assert.match(ran.stderr, /no such file or directory "\/abs\/secret"/)
  assert.equal(ran.code, 1)
  assert.equal(state(), before)
  cli.build(context, ['--target', '0', '-t', 'copied'])
  assert.equal(cli.ok(['run', '--rm', 'copied', 'cat', `${dir}/file`, `${dir}/sub/file`]), 'minemine')
})

test('a context cannot lead out of itself', async (t) => {
  if (!(await requireBox(t))) return
  const { dir } = canary()
  const links = {
    abs: { link: `${dir}/secret` },
    up: { link: `../../../../../../..${dir}/secret` },
    folder: { link: dir },
  }
  for (const source of ['abs', 'up', 'folder/secret', 'folder/', '*/secret']) {
    const context = writeContext(cli, { ...links, Dockerfile: `FROM base\nCOPY ${source} /x/\nRUN cat /x/* || true\n` })
    const ran = cli.run(['build', '--progress', 'plain', context])
    assert.doesNotMatch(ran.stderr, new RegExp(`^#.* ${SECRET}`, 'm'), source)
  }
})

/** Archives whose entries lead out of the root that they are unpacked in. */
const archives: Record<string, (dir: string) => Parameters<typeof tarOf>[0]> = {
  'climbs with ..': (dir) => [{ path: `../../../../../../../../..${dir}/new`, content: 'x' }],
  'has absolute names': (dir) => [{ path: `${dir}/new`, content: 'x' }],
  'writes through a link': (dir) => [
    { path: 'l', type: 'symlink', link: dir },
    { path: 'l/new', content: 'x' },
    { path: 'l/file', content: 'x' },
  ],
  'links a file of the host': (dir) => [
    { path: 'h', type: 'hardlink', link: `../../../../../../../..${dir}/secret` },
    { path: 'l', type: 'symlink', link: dir },
    { path: 'h2', type: 'hardlink', link: 'l/secret' },
  ],
  'removes through a link': (dir) => [
    { path: 'l', type: 'symlink', link: dir },
    { path: 'l/.wh.file', content: '' },
    { path: 'l/sub/.wh..wh..opq', content: '' },
  ],
}

for (const [what, entries] of Object.entries(archives))
  test(`an archive that ${what} stays where it is unpacked`, async (t) => {
    if (!(await requireBox(t))) return
    const { dir, state } = canary()
    const before = state()
    const tar = tarOf(entries(dir))
    const file = join(dirname(dir), 'root.tar')
    writeFileSync(file, tar)
    const shell = 'FROM base\nADD root.tar /\nRUN cat /h /h2 /l/secret; true\n'
    const built = cli.run([
      'build',
      '--progress',
      'plain',
      writeContext(cli, { Dockerfile: shell, 'root.tar': { text: tar } }),
    ])
    const imported = cli.run(['import', file, 'imported'])
    const ran = imported.code === 0 ? cli.run(['run', '--rm', 'imported', '/none']) : imported
    for (const { stdout, stderr } of [built, imported, ran]) {
      assert.doesNotMatch(stdout + stderr, /BUG/)
      assert.doesNotMatch(stdout + stderr, new RegExp(SECRET))
    }
    assert.equal(state(), before)
    assert.deepEqual(cli.leftovers(), [])
  })
