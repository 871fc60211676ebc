import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Paint, pageLines, render } from '../../src/cli/explore/render.js'
import { type ExploreState, openState, pressed, splitKeys } from '../../src/cli/explore/state.js'
import { stripAnsi, textWidth } from '../../src/cli/text-width.js'
import type { ExploredImage, LayerChange } from '../../src/engine/api.js'

const change = (path: string, kind: LayerChange['kind'], size = 0, type = 'file'): LayerChange => ({
  path,
  kind,
  type,
  mode: 0o644,
  uid: 0,
  gid: 0,
  size,
})

const image: ExploredImage = {
  id: 'sha256:x',
  totalBytes: 300,
  wastedBytes: 75,
  waste: [],
  layers: [
    {
      diffID: 'sha256:a',
      createdBy: 'COPY base /',
      sizeBytes: 200,
      changes: [
        change('etc', 'added', 0, 'dir'),
        change('etc/gone', 'added', 75),
        change('etc/kept', 'added', 125),
        change('verdächtig\x1b[31m', 'added'),
      ],
    },
    {
      diffID: 'sha256:b',
      createdBy: 'RUN rm /etc/gone && touch /etc/漢字',
      sizeBytes: 100,
      changes: [
        change('etc', 'changed', 0, 'dir'),
        change('etc/gone', 'removed', 75),
        change('etc/漢字', 'added', 100),
      ],
    },
  ],
}

const plain: Paint = {
  added: (t) => t,
  changed: (t) => t,
  removed: (t) => t,
  dim: (t) => t,
  heading: (t) => t,
  cursor: (t) => `>${t}`,
}

function press(keys: string, state: ExploreState = openState(image)): ExploreState {
  return splitKeys(keys).reduce((s, key) => pressed(s, key, 5), state)
}

const names = (s: ExploreState) => s.rows.map((r) => `${r.kind[0]} ${r.path}`)

test('the top layer is shown first, with what it changes', () => {
  assert.deepEqual(names(openState(image)), ['c etc', 'r etc/gone', 'a etc/漢字'])
})

test('another layer, and all files after it', () => {
  assert.deepEqual(names(press('\x1b[A')), ['a etc', 'a etc/gone', 'a etc/kept', 'a verdächtig\x1b[31m'])
  const all = press('a')
  assert.deepEqual(names(all), ['c etc', 'r etc/gone', 's etc/kept', 'a etc/漢字', 's verdächtig\x1b[31m'])
})

test('folders fold, and left goes to the folder above', () => {
  const inFiles = press('\t\x1b[B\x1b[B')
  assert.equal(inFiles.cursor, 2)
  const above = press('h', inFiles)
  assert.equal(above.cursor, 0)
  assert.deepEqual(names(press(' ', above)), ['c etc'])
  assert.deepEqual(names(press('  ', above)), names(inFiles))
})

test('a search keeps what contains it and the folders above; escape ends it before it ends all', () => {
  const found = press('/gone\r')
  assert.deepEqual(names(found), ['c etc', 'r etc/gone'])
  assert.deepEqual(names(press('/gox\x7f', openState(image))), ['c etc', 'r etc/gone'])
  const freed = press('\x1b', found)
  assert.equal(freed.done, false)
  assert.equal(freed.rows.length, 3)
  assert.ok(press('\x1b', freed).done)
  assert.ok(press('q').done)
  assert.ok(press('/abc\x03').done)
})

test('the cursor stays within what there is', () => {
  assert.equal(press('\tGjjj').cursor, 2)
  assert.equal(press('\tggkkk').cursor, 0)
  assert.equal(press('\x1b[6~\x1b[6~\x1b[5~').layer, 0)
})

for (const [columns, rows] of [
  [80, 24],
  [120, 30],
  [40, 8],
  [20, 5],
] as const) {
  test(`a screen of ${columns} by ${rows} is filled and never overrun`, () => {
    for (const keys of ['', '\t', 'a', 'a\t', '/gone', '\x1b[A\t']) {
      const lines = render(press(keys), columns, rows, { ...plain, cursor: (t) => t })
      assert.ok(lines.length <= rows && lines.length >= pageLines(rows))
      for (const line of lines) {
        assert.ok(textWidth(line) <= columns, `${textWidth(line)}: ${line}`)
        assert.equal(stripAnsi(line), line, 'nothing of a name reaches the terminal as a control')
      }
    }
  })
}

test('the screen says what is wasted, and where the cursor is', () => {
  const lines = render(press('\t\x1b[B'), 80, 24, plain)
  assert.equal(lines[0], '2 layers, 300B, 75B wasted, efficiency 75%')
  assert.match(lines[1]!, /^layer 2: RUN rm \/etc\/gone && touch \/etc\/漢字 {2}\(changes of this layer\)$/)
  assert.deepEqual(
    lines.filter((l) => l.startsWith('>')).map((l) => l.trimEnd()),
    ['>- -rw-r--r-- 0:0            75B      gone'],
  )
})

test('an image without layers is no trouble', () => {
  const empty = openState({ ...image, layers: [], totalBytes: 0, wastedBytes: 0 })
  assert.match(render(press('\x1b[A\t \r', empty), 80, 24, plain)[1]!, /no layers/)
})
