import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identityExtents, parseSubids, subidExtents } from '../../src/rootless/id-map.js'

const files: [name: string, text: string, starts: number[]][] = [
  ['a line by name', 'ann:100000:65536\n', [100000]],
  ['a line by uid', '1000:200000:65536', [200000]],
  ['several lines', 'ann:1:2\nbob:5:5\nann:9:1\n', [1, 9]],
  ['nothing for others', 'anna:100000:65536\n10000:5:5\n', []],
  ['no nonsense', 'ann\nann:x:1\nann:1:0\nann:1:-5\n# ann:1:1\n\n', []],
]
for (const [name, text, starts] of files)
  test(`parseSubids() finds ${name}`, () => {
    const ranges = parseSubids(text, { uid: 1000, gid: 1000, name: 'ann' })
    assert.deepEqual(
      ranges.map((r) => r.start),
      starts,
    )
  })

test('parseSubids() does not take an account without a name for an empty one', () => {
  assert.deepEqual(parseSubids(':1:2\nundefined:3:4\n', { uid: 7, gid: 7 }), [])
})

test('subidExtents() puts the ranges after root, one after another', () => {
  assert.deepEqual(
    subidExtents(1000, [
      { start: 100000, count: 10 },
      { start: 500000, count: 5 },
    ]),
    [
      { inside: 0, outside: 1000, count: 1 },
      { inside: 1, outside: 100000, count: 10 },
      { inside: 11, outside: 500000, count: 5 },
    ],
  )
})

test('subidExtents() stays within the lines that the kernel takes', () => {
  const ranges = Array.from({ length: 500 }, (_, i) => ({ start: 1000 * i, count: 1 }))
  assert.equal(subidExtents(1, ranges).length, 340)
})

test('identityExtents() maps what this namespace has', () => {
  assert.deepEqual(identityExtents('         0       1000          1\n         1     100000      65536\n'), [
    { inside: 0, outside: 0, count: 1 },
    { inside: 1, outside: 1, count: 65536 },
  ])
})
