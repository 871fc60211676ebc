/** What builds are compared with: kept whole, written when it differs, and not for ever. */
import assert from 'node:assert/strict'
import { readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { withStore } from '../helpers/store.js'

const HOUR_MS = 3_600_000

test('a record that is the same is not written again, and counts as used', (t) => {
  const { store, lease, root } = withStore(t)
  const write = (text: string, nowMs: number) =>
    store.builds.write('a', text, { before: store.builds.read('a'), lease, nowMs })
  write('one', Date.now())
  const file = join(root, 'builds/a.json')
  const { ino } = statSync(file)
  utimesSync(file, 1000, 1000)
  write('one', 1_000_000 + HOUR_MS / 2)
  assert.equal(statSync(file).mtimeMs, 1_000_000, 'not at every build')
  write('one', 1_000_000 + 2 * HOUR_MS)
  assert.equal(statSync(file).mtimeMs, 1_000_000 + 2 * HOUR_MS)
  assert.equal(statSync(file).ino, ino)
  write('two', Date.now())
  assert.equal(store.builds.read('a'), 'two')
})

test('of more than 256 the longest unused go', (t) => {
  const { store, lease, root } = withStore(t)
  const write = (id: string) => store.builds.write(id, 'x', { lease, nowMs: Date.now() })
  write('first')
  for (let i = 0; i < 256; i++) {
    const file = join(root, `builds/${i}.json`)
    writeFileSync(file, 'x')
    utimesSync(file, 1000 + i, 1000 + i)
  }
  write('last')
  const names = readdirSync(join(root, 'builds'))
  assert.equal(names.length, 256)
  for (const gone of ['0.json', '1.json']) assert.ok(!names.includes(gone))
  for (const kept of ['2.json', 'first.json', 'last.json']) assert.ok(names.includes(kept))
  assert.ok(store.builds.clear() > 0)
  assert.deepEqual(readdirSync(join(root, 'builds')), [])
})
