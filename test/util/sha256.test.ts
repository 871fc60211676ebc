import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import wabt from 'wabt'
import { nodeSha256, sha256Hex } from '../../src/util/hash.js'
import { KERNEL, SMALL_BYTES, sha256Small } from '../../src/util/sha256.js'

const expected = (...pieces: Uint8Array[]) =>
  pieces.reduce((hash, piece) => hash.update(piece), createHash('sha256')).digest('hex')

test('the kernel is what its text says', async () => {
  const text = readFileSync('src/util/sha256.wat', 'utf8')
  const { buffer } = (await wabt()).parseWat('sha256.wat', text).toBinary({})
  assert.equal(KERNEL, Buffer.from(buffer).toString('base64'))
})

test('small data hashes as Node hashes it, whatever its length', () => {
  for (let length = 0; length <= 260; length++) {
    const bytes = randomBytes(length)
    assert.equal(sha256Small([bytes]), expected(bytes), `${length} bytes: ${bytes.toString('hex')}`)
  }
  for (const length of [4095, 4096, 4097, SMALL_BYTES - 1, SMALL_BYTES]) {
    const bytes = randomBytes(length)
    assert.equal(sha256Small([bytes.subarray(0, 100), bytes.subarray(100)]), expected(bytes), `${length} bytes`)
  }
})

test('data that grows large on the way loses nothing', () => {
  for (const lengths of [[1, SMALL_BYTES - 1], [1, SMALL_BYTES], [SMALL_BYTES, 1, 1], [SMALL_BYTES + 1, 5], [70_000]]) {
    const pieces = lengths.map((n) => randomBytes(n))
    const hasher = nodeSha256()
    for (const piece of pieces) hasher.update(piece)
    assert.equal(hasher.hex(), expected(...pieces), String(lengths))
  }
})

test('a chunk may be overwritten once it was taken, and hashers do not disturb each other', () => {
  const chunk = Buffer.from('first')
  const one = nodeSha256().update(chunk)
  const two = nodeSha256().update('other')
  chunk.fill('x')
  assert.equal(two.hex(), createHash('sha256').update('other').digest('hex'))
  assert.equal(one.hex(), createHash('sha256').update('first').digest('hex'))
})

test('text is UTF-8', () => {
  assert.equal(sha256Hex('schön ☃ 𝄞'), createHash('sha256').update('schön ☃ 𝄞').digest('hex'))
})
