import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { detectCompression } from '../../src/layer/compression.js'

const cases: [Uint8Array, string][] = [
  [gzipSync('x'), 'gzip'],
  [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0), 'zstd'],
  [Uint8Array.of(0x50, 0x2a, 0x4d, 0x18), 'zstd'],
  [Buffer.from('BZh91AY'), 'bzip2'],
  [Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), 'xz'],
  [Buffer.from('./some/name'), 'none'],
  [new Uint8Array(0), 'none'],
]
for (const [bytes, kind] of cases)
  test(`detectCompression() sees ${kind}`, () => {
    assert.equal(detectCompression(bytes), kind)
  })
