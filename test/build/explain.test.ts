/** Comparing builds: steps that belong together, what operations and layers differ in, and the first difference. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alignSteps } from '../../src/build/explain/align.js'
import { firstDifference } from '../../src/build/explain/first-difference.js'
import { describeChanges, layerChanges } from '../../src/build/explain/listing-diff.js'
import { change, operationChanges } from '../../src/build/explain/operation-diff.js'
import type { BuildRecord, StepRecord } from '../../src/build/explain/record.js'
import type { Entry } from '../../src/layer/entry.js'
import { type Files, MemoryHost } from '../helpers/memory-host.js'

const run = (command: string, more: object = {}): StepRecord => {
  const op = { kind: 'run' as const, args: ['/bin/sh', '-c', command], shell: true, env: [], ...more }
  return { stage: '', name: `RUN ${command}`, op, inputs: [] }
}
const copy = (...paths: string[]): StepRecord => {
  const sources = paths.map((path) => ({ from: 'tree', input: 1, path }))
  return { stage: '', name: 'COPY', op: { kind: 'copy', sources, dest: '/' }, inputs: [] }
}
const record = (...steps: StepRecord[]): BuildRecord => ({ format: 1, steps })

const alignments: [why: string, now: StepRecord[], before: StepRecord[], pairs: [number, number][]][] = [
  [
    'unchanged',
    [run('a'), run('b')],
    [run('a'), run('b')],
    [
      [0, 0],
      [1, 1],
    ],
  ],
  [
    'one inserted',
    [run('a'), run('new'), run('b')],
    [run('a'), run('b')],
    [
      [0, 0],
      [2, 1],
    ],
  ],
  ['one removed', [run('b')], [run('a'), run('b')], [[0, 1]]],
  [
    'one changed',
    [run('a'), run('c'), copy('x')],
    [run('a'), run('b'), copy('x')],
    [
      [0, 0],
      [1, 1],
      [2, 2],
    ],
  ],
  ['kinds are not mixed', [copy('x'), run('b')], [run('a')], [[1, 0]]],
  ['stages are not mixed', [{ ...run('a'), stage: 'two' }], [{ ...run('a'), stage: 'one' }], []],
]
for (const [why, now, before, pairs] of alignments)
  test(`alignSteps(): ${why}`, () => {
    const found = [...alignSteps(record(...now), record(...before))]
    assert.deepEqual(found.sort(), pairs)
  })

const operations: [before: StepRecord, now: StepRecord, changes: string[]][] = [
  [run('make'), run('make -j2'), ['its command changed: make → make -j2']],
  [run('a', { cwd: '/' }), run('a', { cwd: '/src' }), ['its working directory changed: / → /src']],
  [run('a', { user: '' }), run('a', { user: 'app' }), ['its user changed: (nothing) → app']],
  [
    run('a', { env: ['A=1'] }),
    run('a', { env: ['A=1', 'B=2'] }),
    ['variable B (in its environment, not named in its command) is new: 2'],
  ],
  [run('a', { env: ['A=1'] }), run('a'), ['variable A is no longer set']],
  [run('echo ${V}', { env: ['V=1'] }), run('echo ${V}', { env: ['V=2'] }), ['ARG V (used by this step) 1 → 2']],
  [
    run('a', { env: ['TOKEN=1'] }),
    run('a', { env: ['TOKEN=2'] }),
    ['variable TOKEN (in its environment, not named in its command) has another value'],
  ],
  [copy('a'), copy('a', 'b'), ['its sources changed: a → a b']],
  [
    run('a', { mounts: [] }),
    run('a', { mounts: [{ type: 'tmpfs', target: '/t' }] }),
    ['its mounts changed: (nothing) → {"target":"/t","type":"tmpfs"}'],
  ],
]
for (const [before, now, changes] of operations)
  test(`operationChanges(): ${changes.join()}`, () => assert.deepEqual(operationChanges(now, before, ['V']), changes))

test('change() shows long values around where they begin to differ', () => {
  const long = 'x'.repeat(100)
  assert.equal(
    change(`${long}one${long}`, `${long}two${long}`),
    `…${'x'.repeat(20)}one${'x'.repeat(37)}… → …${'x'.repeat(20)}two${'x'.repeat(37)}…`,
  )
})

const file = (more: Partial<Entry> = {}): Partial<Entry> => ({
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: 5,
  size: 0,
  ...more,
})
const bytes = (...b: number[]) => new Uint8Array(b)

const differences: [before: Files, now: Files, path: string, how: string, kind: string][] = [
  [{ a: 'one', b: '1' }, { a: 'two', b: '22' }, 'a', 'content', 'content'],
  [{ a: '1', b: '1' }, { a: '1', b: '22' }, 'b', 'content, size 1 → 2', 'content'],
  [{ a: file() }, { a: file({ mode: 0o4755 }) }, 'a', 'mode 0644 → 04755', 'metadata'],
  [{ a: file() }, { a: file({ uid: 3, gid: 4 }) }, 'a', 'owner 0:0 → 3:4', 'metadata'],
  [{ a: { link: 'x' } }, { a: { link: 'y' } }, 'a', 'link x → y', 'metadata'],
  [{ a: null }, { a: file() }, 'a', 'dir → file', 'metadata'],
  [{ a: file() }, { a: file({ xattrs: [['user.k', bytes(1)]] }) }, 'a', 'extended attribute user.k', 'metadata'],
  [
    { a: file({ xattrs: [['user.k', bytes(2)]] }) },
    { a: file({ xattrs: [['user.k', bytes(1)]] }) },
    'a',
    'extended attribute user.k',
    'metadata',
  ],
  [{ a: '1', b: '1' }, { a: '1' }, 'b', 'only the first build has this file', 'missing'],
  [{ b: '1' }, { a: null, b: '1' }, 'a', 'only the second build has this directory', 'missing'],
  [{}, { a: file({ type: 'whiteout', mode: 0 }) }, 'a', 'only the second build has this removal', 'missing'],
]
for (const [before, now, path, how, kind] of differences)
  test(`firstDifference(): ${how}`, async () => {
    const host = new MemoryHost()
    const pair = { before: await host.layerOf(before), now: await host.layerOf(now) }
    const found = await firstDifference(host, pair, 'files', undefined)
    assert.deepEqual(found && { ...found, how: found.how.join(', ') }, { path, how, kind })
  })

test('firstDifference(): order, and times where nothing is different, up to the date', async () => {
  const host = new MemoryHost()
  const [a, b] = [file({ path: 'a' }), file({ path: 'b' })] as [Entry, Entry]
  const layerOf = async (entries: readonly Entry[]) => {
    const writer = host.writer()
    for (const e of entries) writer.entry(e)
    return writer.commit()
  }
  const order = { before: await layerOf([a, b]), now: await layerOf([b, a]) }
  assert.equal((await firstDifference(host, order, 'files', undefined))?.kind, 'order')
  const times = { before: await layerOf([a, b]), now: await layerOf([a, { ...b, mtime: 7 }]) }
  assert.equal(await firstDifference(host, times, 'files', undefined), undefined)
  const found = await firstDifference(host, times, 'times', undefined)
  assert.deepEqual(found, { path: 'b', how: ['mtime 1970-01-01T00:00:05Z → 1970-01-01T00:00:07Z'], kind: 'time' })
  assert.equal(
    (await firstDifference(host, times, 'times', 6))?.how[0],
    'mtime 1970-01-01T00:00:05Z → 1970-01-01T00:00:06Z',
  )
  assert.equal(await firstDifference(host, times, 'times', 4), undefined)
})

test('layerChanges() leaves times out, reads contents of equal size only, and says how many more there are', async () => {
  const host = new MemoryHost()
  const before = await host.layerOf({ a: 'aa', b: 'bb', c: 'cc', d: file({ mtime: 1 }), gone: 'x' })
  const now = await host.layerOf({ a: 'aa', b: 'xx', c: 'longer', d: file({ mtime: 2 }), new: '' })
  const changes = await layerChanges(host, before, now)
  assert.equal(host.reads, 4, 'a and b, of both')
  assert.equal(describeChanges(changes, 9), 'c changed (size 2 → 6), new added, gone removed, b changed (content)')
  assert.equal(describeChanges(changes, 1), 'c changed (size 2 → 6), … and 3 more')
})
