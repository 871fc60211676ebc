import assert from 'node:assert/strict'
import { test } from 'node:test'
import stringWidth from 'string-width'
import { alignColumns } from '../../src/cli/format/table.js'
import { ellipsis, goTime, humanDuration, humanSize, shortId, since } from '../../src/cli/format/units.js'
import { stripAnsi, textWidth } from '../../src/cli/text-width.js'

const sizes: [bytes: number, digits: number, text: string][] = [
  [0, 3, '0B'],
  [999, 3, '999B'],
  [1000, 3, '1kB'],
  [1234, 3, '1.23kB'],
  [123_456_789, 3, '123MB'],
  [1_234_567, 4, '1.235MB'],
  [5e9, 3, '5GB'],
  [2e18, 3, '2000PB'],
]
for (const [bytes, digits, text] of sizes) {
  test(`humanSize(${bytes}, ${digits}) is ${text}`, () => assert.equal(humanSize(bytes, digits), text))
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const durations: [ms: number, text: string][] = [
  [0, 'Less than a second'],
  [second, '1 second'],
  [59 * second, '59 seconds'],
  [minute, 'About a minute'],
  [2 * minute, '2 minutes'],
  [59 * minute, '59 minutes'],
  [hour, 'About an hour'],
  [100 * minute, '2 hours'],
  [47 * hour, '47 hours'],
  [2 * day, '2 days'],
  [13 * day, '13 days'],
  [14 * day, '2 weeks'],
  [60 * day, '2 months'],
  [365 * day, '12 months'],
  [730 * day, '2 years'],
]
for (const [ms, text] of durations) {
  test(`humanDuration(${ms}) is ${text}`, () => assert.equal(humanDuration(ms), text))
}

test('times that an image does not have are N/A', () => {
  assert.equal(since(undefined, 0), 'N/A')
  assert.equal(since('0001-01-01T00:00:00Z', 0), 'N/A')
  assert.equal(goTime(undefined), 'N/A')
  assert.equal(goTime('1970-01-01T00:00:00.5+01:00'), '1969-12-31 23:00:00 +0000 UTC')
})

test('ids and texts are shortened', () => {
  assert.equal(shortId(`sha256:${'ab'.repeat(32)}`), 'abababababab')
  assert.equal(shortId('<missing>'), '<missing>')
  assert.equal(ellipsis('abc', 3), 'abc')
  assert.equal(ellipsis('abcd', 3), 'ab…')
})

test('alignColumns() pads by what a terminal shows', () => {
  const rows = [
    ['A', 'B'],
    ['日本語日本語', 'x'],
    ['\x1b[31mred\x1b[39m', 'y'],
  ]
  assert.deepEqual(stripAnsi(alignColumns(rows)).split('\n'), [
    'A              B',
    '日本語日本語   x',
    'red            y',
    '',
  ])
})

const texts = [
  '',
  'abc',
  'é',
  'e\u0301',
  '日本',
  'ｱ',
  '한국',
  '👍',
  '👍🏽',
  '👩‍👩‍👧',
  '❤️',
  '🇩🇪',
  '\x1b[1mx\x1b[0m',
  'a\u200bb',
  '①',
  'Ω',
  '…',
  '→',
  '✔',
  '⚠',
  '⭐',
]
for (const text of texts) {
  test(`textWidth(${JSON.stringify(text)}) is what string-width says`, () => {
    assert.equal(textWidth(text), stringWidth(text))
  })
}
