/** Where a build's result goes: archives, layouts, folders, standard output. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, TSBOX, writeContext } from '../helpers/cli.js'
import { readTar } from '../helpers/saved.js'

const cli = sharedCli()
before(() => makeBase(cli))

/** A small tree: a mode, a time, links, an owner, something removed again. */
const TREE = `FROM base AS make
RUN mkdir -p /t/dir && echo text > /t/file && chmod 4751 /t/file && touch -d @1000000000 /t/file && ln -s ../file /t/dir/link \\
 && ln -s /etc/passwd /t/out && chown 7:8 /t/dir && chmod 555 /t/dir && echo x > /t/gone
FROM scratch
COPY --from=make /t /
COPY <<EOF /gone
again
EOF
`
const context = () => writeContext(cli, { Dockerfile: TREE })
const folder = () => mkdtempSync(join(cli.dir, 'out-'))

/** Builds; standard output is bytes. */
function build(args: readonly string[]): { stdout: Buffer; stderr: string; code: number | null } {
  const ran = spawnSync(TSBOX, ['build', '--progress', 'plain', ...args], {
    cwd: cli.dir,
    env: cli.env,
    maxBuffer: 1 << 28,
  })
  return { stdout: ran.stdout, stderr: ran.stderr.toString(), code: ran.status }
}

function built(args: readonly string[]): Buffer {
  const { stdout, stderr, code } = build(args)
  assert.equal(code, 0, stderr)
  return stdout
}

/** What must not stay: temporary names. */
const leftIn = (dir: string) => readdirSync(dir, { recursive: true }).filter((n) => String(n).includes('.tsbox-'))

function checkTree(dir: string): void {
  assert.deepEqual(readdirSync(dir).sort(), ['dir', 'file', 'gone', 'out'])
  const file = statSync(join(dir, 'file'))
  assert.equal(file.mode & 0o7777, 0o4751)
  assert.equal(file.mtimeMs, 1e12)
  assert.equal(file.uid, process.getuid!())
  assert.equal(statSync(join(dir, 'dir')).mode & 0o7777, 0o555)
  assert.equal(readlinkSync(join(dir, 'dir/link')), '../file')
  assert.equal(readlinkSync(join(dir, 'out')), '/etc/passwd')
  assert.equal(readFileSync(join(dir, 'gone'), 'utf8'), 'again\n')
}

test('local writes files with their modes and times, and no image', async (t) => {
  if (!(await requireBox(t))) return
  const images = cli.images()
  const dir = join(folder(), 'new/files')
  built(['-o', dir, context()])
  checkTree(dir)
  assert.deepEqual(cli.images(), images)
  assert.deepEqual(leftIn(join(dir, '../..')), [])
})

test('local into a folder replaces files, keeps others, and follows no link in it', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  const outside = folder()
  writeFileSync(join(outside, 'file'), 'untouched')
  symlinkSync(outside, join(dir, 'dir'))
  symlinkSync(join(outside, 'file'), join(dir, 'file'))
  writeFileSync(join(dir, 'own'), 'mine')
  built(['-o', `type=local,dest=${dir}`, context()])
  assert.deepEqual(readdirSync(outside), ['file'])
  assert.equal(readFileSync(join(outside, 'file'), 'utf8'), 'untouched')
  assert.equal(readFileSync(join(dir, 'own'), 'utf8'), 'mine')
  assert.ok(lstatSync(join(dir, 'dir')).isDirectory())
  assert.ok(lstatSync(join(dir, 'file')).isFile())
  built(['-o', dir, context()])
  const other = folder()
  mkdirSync(join(other, 'file'))
  const { code, stderr } = build(['-o', other, context()])
  assert.equal(code, 1)
  assert.match(stderr, /a folder is in the way: "file"/)
  assert.deepEqual(leftIn(other), [])
})

test('local refuses what a user cannot make, and leaves no new folder', async (t) => {
  if (!(await requireBox(t))) return
  const dir = join(folder(), 'new')
  const text = 'FROM base\nRUN mknod /pipe p\n'
  const { code, stderr } = build(['-o', dir, writeContext(cli, { Dockerfile: text })])
  assert.equal(code, 1)
  assert.match(stderr, /a fifo can't be made by a user: "\/pipe"/)
  assert.deepEqual(readdirSync(join(dir, '..')), [])
})

test('tar is the tree with its owners; the same tree is the same bytes', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  const piped = built(['-o', '-', context()])
  built(['-o', `type=tar,dest=${dir}/sub/t.tar`, context()])
  assert.ok(piped.equals(readFileSync(join(dir, 'sub/t.tar'))))
  const items = await readTar(piped)
  const shown = items.map((i) => `${i.path} ${i.type} ${i.mode.toString(8)} ${i.uid}:${i.gid}`)
  assert.deepEqual(shown, [
    'dir directory 555 7:8',
    'dir/link symlink 777 0:0',
    'file file 4751 0:0',
    'gone file 644 0:0',
    'out symlink 777 0:0',
  ])
  assert.equal(String(items[3]!.content), 'again\n')
  assert.deepEqual(readdirSync(dir), ['sub'])
  assert.deepEqual(readdirSync(join(dir, 'sub')), ['t.tar'])
})

test('oci and docker archives load as the image they are', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  const ctx = context()
  const { id } = cli.build(ctx, ['-t', 'exported'])
  const args = ['-t', 'exported', '-o', `type=oci,dest=${dir}/o.tar`, '-o', `type=docker,dest=${dir}/d.tar`, ctx]
  built(args)
  const names = (file: string) => execFileSync('tar', ['-tf', join(dir, file)], { encoding: 'utf8' }).split('\n')
  assert.ok(!names('o.tar').includes('manifest.json'))
  assert.ok(names('d.tar').includes('manifest.json'))
  for (const file of ['o.tar', 'd.tar']) {
    cli.ok(['rmi', 'exported'])
    assert.match(cli.ok(['load', '-i', join(dir, file)]), /exported:latest/)
    assert.equal(JSON.parse(cli.ok(['inspect', 'exported']))[0].Id, id)
  }
  assert.ok(readFileSync(join(dir, 'o.tar')).equals(built(['-t', 'exported', '-o', 'type=oci', ctx])))
})

test('tar=false is a layout folder, to which images can be added', async (t) => {
  if (!(await requireBox(t))) return
  const dir = join(folder(), 'layout')
  built(['-t', 'laid:one', '-o', `type=oci,tar=false,dest=${dir}`, context()])
  const other = writeContext(cli, { Dockerfile: 'FROM base\nRUN echo two > /two\n' })
  built(['-o', `type=oci,tar=false,name=laid:two,dest=${dir}`, other])
  built(['-o', `type=oci,tar=false,name=laid:two,dest=${dir}`, other])
  const index = JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8'))
  const refs = index.manifests.map((m: { annotations: Record<string, string> }) => Object.values(m.annotations)[0])
  assert.deepEqual(refs, ['docker.io/library/laid:one', 'docker.io/library/laid:two'])
  assert.deepEqual(leftIn(dir), [])
  const from = writeContext(cli, { Dockerfile: 'FROM n\nRUN cat /two > /said\n' })
  cli.build(from, ['-t', 'laid', '--build-context', `n=oci-layout://${dir}:two`])
  assert.equal(cli.ok(['run', '--rm', 'laid', 'cat', '/said']), 'two\n')
  const full = folder()
  writeFileSync(join(full, 'index.json'), '{"schemaVersion":2,"manifests":[]}')
  assert.match(build(['-o', `type=oci,tar=false,dest=${full}`, other]).stderr, /the folder is no OCI layout/)
})

test('image has the name that is given, cacheonly has none', async (t) => {
  if (!(await requireBox(t))) return
  const ctx = context()
  const before = cli.images()
  built(['-o', 'type=cacheonly', ctx])
  assert.deepEqual(cli.images(), before)
  built(['-o', 'type=image,"name=named:1,named:2"', ctx])
  const { RepoTags } = JSON.parse(cli.ok(['inspect', 'named:1']))[0]
  assert.ok(RepoTags.includes('named:1') && RepoTags.includes('named:2'))
  const dir = join(folder(), 'd')
  built(['-t', 'loaded', '--load', '-o', dir, ctx])
  assert.equal(JSON.parse(cli.ok(['inspect', 'loaded'])).length, 1)
  checkTree(dir)
})

test('an output that fails leaves nothing, and what was there stays', async (t) => {
  if (!(await requireBox(t))) return
  const dir = folder()
  const ctx = context()
  assert.match(build(['-o', `type=tar,dest=${dir}`, ctx]).stderr, /destination file is a directory/)
  writeFileSync(join(dir, 'file'), 'x')
  assert.match(build(['-o', `type=tar,dest=${dir}/file/t.tar`, ctx]).stderr, /write output: E(NOTDIR|EXIST)/)
  writeFileSync(join(dir, 't.tar'), 'before')
  const broken = writeContext(cli, { Dockerfile: 'FROM base\nRUN exit 3\n' })
  assert.equal(build(['-o', `type=tar,dest=${dir}/t.tar`, broken]).code, 1)
  assert.equal(readFileSync(join(dir, 't.tar'), 'utf8'), 'before')
  assert.deepEqual(readdirSync(dir).sort(), ['file', 't.tar'])
  assert.ok(!existsSync(join(cli.dir, '-')))
  assert.deepEqual(cli.leftovers(), [])
})
