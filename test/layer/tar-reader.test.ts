import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TarParser } from '../../src/layer/tar-parser.js'
import { type ReadAt, readTar, scanTar } from '../../src/layer/tar-reader.js'
import { chunksOf, collect, listTar, tarOf } from '../helpers/layers.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { tempDir } from '../helpers/temp.js'

const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (buffer, position) => {
    const piece = bytes.subarray(position, position + buffer.length)
    buffer.set(piece)
    return piece.length
  }

test('all readers agree, whatever the pieces', async () => {
  const tar = tarOf([
    { path: 'd' },
    { path: 'd/big', content: Buffer.alloc(200_001, 7) },
    { path: `d/${'n'.repeat(300)}`, content: 'long' },
    { path: 'e', content: '' },
  ])
  const whole = await listTar(tar)
  for (const chunkSize of [1, 7, 511, 512, 513, 100_000])
    assert.deepEqual(await listTar(tar, { chunkSize }), whole, `pieces of ${chunkSize}`)
  const scanned: unknown[] = []
  scanTar(readerOf(tar), (entry) => scanned.push(entry))
  assert.deepEqual(
    scanned,
    whole.map((w) => w.entry),
  )
  const placed = [...readTar(readerOf(tar))]
  for (const [i, p] of placed.entries())
    assert.deepEqual(p.content ? await collect(p.content) : undefined, whole[i]!.content)
})

test('a reader that skips contents goes on', async () => {
  const tar = tarOf([
    { path: 'a', content: 'x'.repeat(5000) },
    { path: 'b', content: 'y' },
  ])
  assert.deepEqual(
    (await listTar(tar, { chunkSize: 600 })).map((e) => e.entry.path),
    ['a', 'b'],
  )
})

/** A GNU tar of a folder, made with `args`. */
function gnuTar(dir: string, ...args: string[]): Buffer {
  const file = `${dir}.tar`
  runProgram('tar', ['-C', dir, '-cf', file, '--numeric-owner', ...args, '.'])
  return readFileSync(file)
}

for (const format of ['--format=gnu', '--format=posix', '--format=ustar', '--format=v7', '--format=oldgnu'])
  test(`reads GNU tar ${format}`, async (t) => {
    if (!requireProgram(t, 'tar')) return
    const dir = join(tempDir(t), 'src')
    mkdirSync(join(dir, 'sub'), { recursive: true })
    writeFileSync(join(dir, 'sub/file'), 'content')
    const list = await listTar(gnuTar(dir, format, '--mtime=@77', '--owner=5', '--group=6'))
    const file = list.find((e) => e.entry.path === 'sub/file')
    assert.equal(file?.content?.toString(), 'content')
    assert.deepEqual([file?.entry.uid, file?.entry.gid, file?.entry.mtime], [5, 6, 77])
    assert.equal(list[0]?.entry.path, '')
    assert.equal(list[0]?.entry.type, 'dir')
  })

for (const format of ['--format=gnu', '--format=posix'])
  test(`reads long names and long links of GNU tar ${format}`, async (t) => {
    if (!requireProgram(t, 'tar')) return
    const dir = join(tempDir(t), 'src')
    const name = `${'a'.repeat(120)}/${'b'.repeat(200)}`
    mkdirSync(join(dir, 'a'.repeat(120)), { recursive: true })
    writeFileSync(join(dir, name), 'x')
    runProgram('ln', [join(dir, name), join(dir, 'z-hard')])
    const list = await listTar(gnuTar(dir, format, '--sort=name'))
    assert.ok(list.some((e) => e.entry.path === name))
    assert.equal(list.find((e) => e.entry.type === 'hardlink')?.entry.link, name)
  })

for (const args of [
  ['--format=gnu'],
  ['--format=posix', '--sparse-version=0.0'],
  ['--format=posix', '--sparse-version=0.1'],
  ['--format=posix', '--sparse-version=1.0'],
])
  test(`reads sparse files of GNU tar ${args.join(' ')}`, async (t) => {
    if (!requireProgram(t, 'tar')) return
    const dir = join(tempDir(t), 'src')
    mkdirSync(dir)
    const fd = openSync(join(dir, 'sparse'), 'w')
    // More extents than a header has places for.
    for (let i = 0; i < 30; i++) writeSync(fd, `part ${i}`, i * 65_536 + 8192)
    ftruncateSync(fd, 3_000_000)
    closeSync(fd)
    writeFileSync(join(dir, 'z-after'), 'after')
    const tar = gnuTar(dir, '--sparse', '--sort=name', ...args)
    assert.ok(tar.length < 1_000_000)
    const expected = readFileSync(join(dir, 'sparse'))
    for (const chunkSize of [1000, 1 << 20]) {
      const list = await listTar(tar, { chunkSize })
      const sparse = list.find((e) => e.entry.path === 'sparse')
      assert.equal(sparse?.entry.size, 3_000_000)
      assert.ok(sparse?.content?.equals(expected))
      assert.equal(list.at(-1)?.content?.toString(), 'after')
    }
    const placed = [...readTar(readerOf(tar))].find((e) => e.entry.path === 'sparse')
    assert.ok((await collect(placed!.content!)).equals(expected))
  })

test('keeps binary attributes', async (t) => {
  if (!requireProgram(t, 'python3')) return
  const file = join(tempDir(t), 'x.tar')
  const script = `
import sys, tarfile
t = tarfile.open(sys.argv[1], 'w', format=tarfile.PAX_FORMAT)
i = tarfile.TarInfo('x'); i.pax_headers = {'SCHILY.xattr.user.a': 'plain', 'mtime': '12.75'}
t.addfile(i); t.close()`
  runProgram('python3', ['-c', script, file])
  const [x] = await listTar(readFileSync(file))
  assert.equal(x?.entry.mtime, 12)
  assert.deepEqual(
    x?.entry.xattrs?.map(([k, v]) => [k, Buffer.from(v).toString()]),
    [['user.a', 'plain']],
  )
  const value = Uint8Array.of(0, 255, 10, 61, 0x80)
  const [y] = await listTar(tarOf([{ path: 'y', content: '', xattrs: [['security.capability', value]] }]))
  assert.deepEqual([...y!.entry.xattrs![0]![1]], [...value])
})

/** A header block written by hand. */
function header(name: string, type: string, size = 0, link = ''): Buffer {
  const b = Buffer.alloc(512)
  b.write(name, 0)
  b.write('0000644\0', 100)
  b.write('0000000\0', 108)
  b.write('0000000\0', 116)
  b.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  b.write('00000000000\0', 136)
  b.write(type, 156)
  b.write(link, 157)
  b.write('ustar\0', 257)
  b.write('00', 263)
  b.write('        ', 148)
  const sum = b.reduce((n, x) => n + x, 0)
  b.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return b
}
const END = Buffer.alloc(1024)

const bad: [what: string, tar: Buffer, code: string][] = [
  ['..', Buffer.concat([header('../etc/passwd', '0'), END]), 'E_TAR_UNSAFE_PATH'],
  ['.. within', Buffer.concat([header('a/../../b', '0'), END]), 'E_TAR_UNSAFE_PATH'],
  ['a hard link to ..', Buffer.concat([header('a', '1', 0, '../../etc/shadow'), END]), 'E_TAR_UNSAFE_PATH'],
  ['a hard link to nothing', Buffer.concat([header('a', '1'), END]), 'E_TAR_INVALID'],
  ['a whiteout of ..', Buffer.concat([header('a/.wh...', '0'), END]), 'E_TAR_UNSAFE_PATH'],
  ['an unknown type', Buffer.concat([header('a', 'M'), END]), 'E_TAR_UNSUPPORTED'],
  ['a wrong checksum', Buffer.concat([header('a', '0').fill(1, 0, 1), END]), 'E_TAR_INVALID'],
  ['an end within a content', Buffer.concat([header('a', '0', 600), Buffer.alloc(512)]), 'E_TAR_INVALID'],
  ['an end within a header', header('a', '0').subarray(0, 100), 'E_TAR_INVALID'],
  [
    'an end after a pax header',
    Buffer.concat([header('p', 'x', 10), Buffer.from('10 path=a\n'.padEnd(512, '\0'))]),
    'E_TAR_INVALID',
  ],
  ['a huge pax header', Buffer.concat([header('p', 'x', 1 << 30), END]), 'E_TAR_INVALID'],
  [
    'a pax record past its block',
    Buffer.concat([header('p', 'x', 10), Buffer.from('99 path=a\n'.padEnd(512, '\0')), END]),
    'E_TAR_INVALID',
  ],
  ['random bytes', Buffer.alloc(1024, 0x41), 'E_TAR_INVALID'],
]
for (const [what, tar, code] of bad)
  test(`refuses ${what}`, async () => {
    await assert.rejects(listTar(tar), { code })
    assert.throws(() => scanTar(readerOf(tar), () => {}), { code })
  })

test('strips what only looks absolute', async () => {
  const tar = Buffer.concat([header('/abs/./x//y', '0'), header('./', '5'), header('dir/', '0'), END])
  assert.deepEqual(
    (await listTar(tar)).map((e) => [e.entry.path, e.entry.type]),
    [
      ['abs/x/y', 'file'],
      ['', 'dir'],
      ['dir', 'dir'],
    ],
  )
})

test('whiteouts are files where the archive is no layer', async () => {
  const tar = tarOf([
    { path: 'd/x', type: 'whiteout' },
    { path: 'd', type: 'opaque' },
  ])
  const layer = await listTar(tar)
  assert.deepEqual(
    layer.map((e) => [e.entry.type, e.entry.path]),
    [
      ['whiteout', 'd/x'],
      ['opaque', 'd'],
    ],
  )
  const plain = await listTar(tar, { whiteouts: false })
  assert.deepEqual(
    plain.map((e) => [e.entry.type, e.entry.path]),
    [
      ['file', 'd/.wh.x'],
      ['file', 'd/.wh..wh..opq'],
    ],
  )
  const aufs = Buffer.concat([header('.wh..wh.plnk/', '5'), header('.wh..wh.aufs', '0'), header('x', '0'), END])
  assert.deepEqual(
    (await listTar(aufs)).map((e) => e.entry.path),
    ['x'],
  )
})

test('what is behind the end mark is ignored', () => {
  const seen: string[] = []
  const parser = new TarParser({ entry: (e) => seen.push(e.path) })
  for (const chunk of chunksOf(Buffer.concat([header('a', '0'), END, header('b', '0')]), 300)) parser.push(chunk)
  parser.end()
  assert.deepEqual(seen, ['a'])
})
