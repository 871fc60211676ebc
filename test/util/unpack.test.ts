import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Packed, unpack } from '../../src/util/unpack.js'
import { chunksOf, collect } from '../helpers/layers.js'
import { requireProgram } from '../helpers/programs.js'

const data = Buffer.concat([Buffer.alloc(500_000, 'text '), randomBytes(200_000)])

async function* stream(bytes: Uint8Array, chunkSize = 1000): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes, chunkSize)
}

const packers: [kind: Packed, program: string, packageName: string][] = [
  ['gzip', 'gzip', 'gzip'],
  ['zstd', 'zstd', 'zstd'],
  ['bzip2', 'bzip2', 'bzip2'],
  ['xz', 'xz', 'xz-utils'],
]
for (const [kind, program, packageName] of packers) {
  test(`unpack() undoes ${program}`, async (t) => {
    if (!requireProgram(t, program, packageName)) return
    const packed = spawnSync(program, ['-c'], { input: data, maxBuffer: 1 << 24 }).stdout
    for (const size of [777, 1 << 20]) assert.ok((await collect(unpack(kind, stream(packed, size)))).equals(data))
  })
  test(`unpack() refuses damaged ${kind}`, async (t) => {
    if (!requireProgram(t, program, packageName)) return
    const packed = spawnSync(program, ['-c'], { input: data, maxBuffer: 1 << 24 }).stdout
    await assert.rejects(collect(unpack(kind, stream(packed.subarray(0, packed.length / 2)))), { code: 'E_UNPACK' })
    await assert.rejects(collect(unpack(kind, stream(Buffer.from('no such thing at all')))), { code: 'E_UNPACK' })
  })
  test(`unpack() of ${kind} passes on the source's error`, async (t) => {
    if (!requireProgram(t, program, packageName)) return
    async function* failing() {
      yield gzipSync('x').subarray(0, 4)
      throw Object.assign(new Error('disk'), { code: 'EIO' })
    }
    await assert.rejects(collect(unpack(kind, failing())), { code: 'EIO' })
  })
}

test('unpack() reads several gzip members in a row', async () => {
  const two = Buffer.concat([gzipSync('one '), gzipSync('two')])
  assert.equal((await collect(unpack('gzip', stream(two, 5)))).toString(), 'one two')
})
