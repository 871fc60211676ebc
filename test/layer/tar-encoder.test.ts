import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import tar from 'tar-stream'
import { decodeName } from '../../src/base/bytes.js'
import { clampTimes } from '../../src/layer/clamp.js'
import type { Entry } from '../../src/layer/entry.js'
import { TarEncoder } from '../../src/layer/tar-encoder.js'
import { listTar, type SimpleEntry, simpleEntry, tarOf } from '../helpers/layers.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { tempDir } from '../helpers/temp.js'

const notUtf8 = decodeName(Uint8Array.of(0x63, 0x61, 0x66, 0xe9))
const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(90)}`
const entries: SimpleEntry[] = [
  { path: '', mode: 0o755, mtime: 5 },
  { path: 'a', mode: 0o1777, uid: 33, gid: 44, mtime: 1_700_000_000 },
  { path: 'a/file', content: 'hello', mode: 0o4755, uid: 1000, gid: 1001, mtime: 12 },
  { path: 'a/empty', content: '' },
  { path: 'a/hard', type: 'hardlink', link: 'a/file' },
  { path: 'a/soft', type: 'symlink', link: '../x y', mode: 0o777 },
  { path: 'a/fifo', type: 'fifo', mode: 0o600 },
  { path: 'a/null', type: 'char', mode: 0o666, major: 1, minor: 3 },
  { path: 'a/disk', type: 'block', mode: 0o660, major: 259, minor: 1048575 },
  { path: 'a/größe', content: 'umlaut' },
  { path: `a/${notUtf8}`, content: 'latin' },
  { path: `${'p'.repeat(120)}/${'q'.repeat(60)}`, content: 'prefix' },
  { path: long, content: 'pax' },
  { path: `${long}dir`, mode: 0o700 },
  { path: 'longlink', type: 'symlink', link: 'x'.repeat(150), mode: 0o777 },
  { path: 'bigid', content: '1', uid: 3_000_000, gid: 4_000_000_000 },
  { path: 'old', content: '1', mtime: -1_000_000 },
  { path: 'future', content: '1', mtime: 99_999_999_999 },
  { path: 'caps', content: 'x', xattrs: [['security.capability', Uint8Array.of(1, 0, 0, 2, 0, 32, 255, 10, 0, 61)]] },
  { path: 'a/gone', type: 'whiteout' },
  { path: 'a', type: 'opaque' },
  { path: 'gone', type: 'whiteout' },
]

test('TarEncoder writes what the reader reads back', async () => {
  const back = await listTar(tarOf(entries))
  const expected = entries.map((e) => {
    const { entry, bytes } = simpleEntry(e)
    return { entry, content: entry.type === 'file' ? Buffer.from(bytes) : undefined }
  })
  assert.deepEqual(
    back.map((b) => ({ ...b, entry: plain(b.entry) })),
    expected.map((b) => ({ ...b, entry: plain(b.entry) })),
  )
})

function plain(entry: Entry) {
  return { ...entry, xattrs: entry.xattrs?.map(([k, v]) => [k, [...v]]) }
}

test('TarEncoder writes the same bytes for the same entries, in any chunks of content', () => {
  const one = tarOf([{ path: 'x', content: 'a'.repeat(100_000) }])
  const chunks: Buffer[] = []
  const encoder = new TarEncoder((c) => chunks.push(Buffer.from(c)))
  encoder.entry(simpleEntry({ path: 'x', content: 'a'.repeat(100_000) }).entry)
  for (let i = 0; i < 100_000; i += 1000) encoder.data(Buffer.from('a'.repeat(1000)))
  encoder.end()
  assert.ok(one.equals(Buffer.concat(chunks)))
  assert.equal(one.length % 512, 0)
})

test('TarEncoder.position is where content starts', () => {
  const chunks: Buffer[] = []
  const encoder = new TarEncoder((c) => chunks.push(Buffer.from(c)))
  const places: number[] = []
  for (const e of entries) {
    const { entry, bytes } = simpleEntry(e)
    encoder.entry(entry)
    if (bytes.length) {
      places.push(encoder.position)
      encoder.data(bytes)
    }
  }
  encoder.end()
  const all = Buffer.concat(chunks)
  const contents = entries.flatMap((e) => (e.content ? [Buffer.from(simpleEntry(e).bytes)] : []))
  for (const [i, c] of contents.entries()) assert.deepEqual(all.subarray(places[i], places[i]! + c.length), c)
})

test('TarEncoder refuses content that is not as long as announced', () => {
  const encoder = new TarEncoder(() => {})
  encoder.entry(simpleEntry({ path: 'x', content: 'abc' }).entry)
  assert.throws(() => encoder.data(Buffer.from('abcd')), { code: 'E_TAR_SIZE' })
  encoder.data(Buffer.from('ab'))
  assert.throws(() => encoder.end(), { code: 'E_TAR_SIZE' })
})

test('clampTimes() lowers later times only', () => {
  const seen: number[] = []
  const sink = clampTimes({ entry: (e) => seen.push(e.mtime), data: () => {} }, 100)
  for (const mtime of [50, 100, 200]) sink.entry(simpleEntry({ path: 'x', mtime }).entry)
  assert.deepEqual(seen, [50, 100, 100])
})

test('tar-stream reads what TarEncoder writes', async () => {
  const extract = tar.extract()
  const seen: string[] = []
  extract.on('entry', (header, stream, next) => {
    seen.push(
      `${header.type} ${header.name} ${header.mode?.toString(8)} ${header.uid}:${header.gid} ${header.linkname ?? ''}`,
    )
    stream.on('end', () => next())
    stream.resume()
  })
  extract.end(tarOf(entries.slice(0, 13)))
  await once(extract, 'finish')
  assert.deepEqual(seen.slice(0, 9), [
    'directory ./ 755 0:0 ',
    'directory a/ 1777 33:44 ',
    'file a/file 4755 1000:1001 ',
    'file a/empty 644 0:0 ',
    'link a/hard 644 0:0 a/file',
    'symlink a/soft 777 0:0 ../x y',
    'fifo a/fifo 600 0:0 ',
    'character-device a/null 666 0:0 ',
    'block-device a/disk 660 0:0 ',
  ])
  assert.equal(seen[12], `file ${long} 644 0:0 `)
})

test('GNU tar lists what TarEncoder writes', (t) => {
  if (!requireProgram(t, 'tar')) return
  const file = join(tempDir(t), 'x.tar')
  writeFileSync(file, tarOf(entries))
  const out = runProgram('tar', ['--numeric-owner', '--utc', '--full-time', '--quoting-style=literal', '-tvf', file])
  assert.match(out, /^-rwsr-xr-x 1000\/1001\s+5 1970-01-01 00:00:12 a\/file$/m)
  assert.match(out, /^hrw-r--r-- 0\/0\s+0 .* a\/hard link to a\/file$/m)
  assert.match(out, /^brw-rw---- 0\/0\s+259,1048575 .* a\/disk$/m)
  assert.match(out, /^-rw-r--r-- 3000000\/4000000000 .* bigid$/m)
  assert.match(out, /1969-12-20 10:13:20 old$/m)
  assert.match(out, /5138-11-16 09:46:39 future$/m)
  assert.ok(out.includes(` ${long}\n`))
})

test("Python's tarfile reads what TarEncoder writes", (t) => {
  if (!requireProgram(t, 'python3')) return
  const file = join(tempDir(t), 'x.tar')
  writeFileSync(file, tarOf(entries))
  const script = `
import sys, tarfile, json
t = tarfile.open(sys.argv[1])
json.dump([[m.name, m.type.decode(), m.mode, m.uid, m.gid, m.mtime, m.size, m.linkname, m.devmajor, m.devminor,
  t.extractfile(m).read().decode() if m.isreg() else None, sorted(m.pax_headers)] for m in t], sys.stdout)`
  const list = JSON.parse(runProgram('python3', ['-c', script, file])) as unknown[][]
  const byName = new Map(list.map((m) => [m[0], m]))
  assert.deepEqual(byName.get(long), [long, '0', 0o644, 0, 0, 0, 3, '', 0, 0, 'pax', ['path']])
  assert.deepEqual(byName.get('bigid')?.slice(2, 5), [0o644, 3_000_000, 4_000_000_000])
  assert.deepEqual(byName.get('caps')?.[11], ['SCHILY.xattr.security.capability'])
  assert.equal(byName.get('old')?.[5], -1_000_000)
  assert.equal(byName.get('longlink')?.[7], 'x'.repeat(150))
  assert.ok(byName.has('a/.wh.gone') && byName.has('a/.wh..wh..opq') && byName.has('.wh.gone'))
})
