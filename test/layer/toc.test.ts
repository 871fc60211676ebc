import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeName } from '../../src/base/bytes.js'
import { TarEncoder } from '../../src/layer/tar-encoder.js'
import { scanTar } from '../../src/layer/tar-reader.js'
import { decodeToc, encodeToc, readTocHeader, recordToc, type Toc, TocBuilder } from '../../src/layer/toc.js'
import { type SimpleEntry, simpleEntry } from '../helpers/layers.js'

const entries: SimpleEntry[] = [
  { path: '' },
  { path: 'größe', content: 'abc', uid: 70_000, gid: 4_000_000_000, mtime: -5 },
  { path: decodeName(Uint8Array.of(0xff, 0xfe)), content: 'x', mtime: 2_000_000_000 },
  { path: 'link', type: 'symlink', link: 'größe' },
  { path: 'dev', type: 'char', major: 1, minor: 3 },
  { path: 'cap', content: 'y', xattrs: [['security.capability', Uint8Array.of(0, 255, 34, 92)]] },
  { path: 'gone', type: 'whiteout' },
]

function recorded(): { toc: Toc; tar: Buffer } {
  const chunks: Buffer[] = []
  const encoder = new TarEncoder((c) => chunks.push(Buffer.from(c)))
  const builder = new TocBuilder()
  const sink = recordToc(encoder, builder)
  for (const e of entries) {
    const { entry, bytes } = simpleEntry(e)
    sink.entry(entry)
    if (bytes.length) sink.data(bytes)
  }
  encoder.end()
  return { toc: builder.finish(encoder.position), tar: Buffer.concat(chunks) }
}

test('the table made while writing equals the one made by reading', () => {
  const { toc, tar } = recorded()
  assert.equal(toc.tarSize, tar.length)
  assert.equal(toc.maxMtime, 2_000_000_000)
  const builder = new TocBuilder()
  const read = (b: Uint8Array, at: number) => tar.copy(b, 0, at, at + b.length)
  scanTar(read, (e, p) => builder.entry(e, p))
  assert.deepEqual(builder.finish(tar.length), toc)
})

test('decodeToc() undoes encodeToc(), also from unaligned memory', () => {
  const { toc } = recorded()
  const bytes = encodeToc(toc)
  assert.deepEqual(decodeToc(bytes), toc)
  const shifted = new Uint8Array(bytes.length + 1)
  shifted.set(bytes, 1)
  assert.deepEqual(decodeToc(shifted.subarray(1)), toc)
  assert.equal(readTocHeader(bytes).tarSize, toc.tarSize)
})

test('decodeToc() keeps sparse extents', () => {
  const toc: Toc = {
    items: [{ entry: simpleEntry({ path: 's', content: 'abc' }).entry, offset: 512, sparse: [[1, 2]] }],
    tarSize: 1,
    maxMtime: 0,
  }
  assert.deepEqual(decodeToc(encodeToc(toc)), toc)
})

test('decodeToc() refuses a table that a crash cut', () => {
  const bytes = encodeToc(recorded().toc)
  for (const size of [0, 10, 40, bytes.length - 1])
    assert.throws(() => decodeToc(bytes.subarray(0, size)), { code: 'E_TOC_INVALID' })
})

test('an empty layer has an empty table', () => {
  const toc = new TocBuilder().finish(1024)
  assert.deepEqual(decodeToc(encodeToc(toc)), { items: [], tarSize: 1024, maxMtime: 0 })
})
