import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LayerTree } from '../../src/layer/layer-tree.js'
import { type Toc, TocBuilder } from '../../src/layer/toc.js'
import { type SimpleEntry, simpleEntry } from '../helpers/layers.js'

function tocOf(entries: readonly SimpleEntry[]): Toc {
  const builder = new TocBuilder()
  entries.forEach((e, i) => {
    const { entry } = simpleEntry(e)
    builder.entry(entry, entry.type === 'file' ? { offset: i * 1000 } : undefined)
  })
  return builder.finish(0)
}

function treeOf(...layers: SimpleEntry[][]): LayerTree {
  return new LayerTree(layers.map(tocOf))
}

/** All paths of a tree, directories with a slash. */
function dump(tree: LayerTree, dir = ''): string[] {
  return tree.readdir(dir).flatMap((name) => {
    const path = dir === '' ? name : `${dir}/${name}`
    return tree.lstat(path)?.type === 'dir' ? [`${path}/`, ...dump(tree, path)] : [path]
  })
}

const cases: [what: string, layers: SimpleEntry[][], paths: string[]][] = [
  ['nothing', [], []],
  ['one layer', [[{ path: 'b', content: '' }, { path: 'a' }, { path: 'a/x', content: '' }]], ['a/', 'a/x', 'b']],
  [
    'directories merge',
    [
      [{ path: 'a' }, { path: 'a/x', content: '' }],
      [{ path: 'a' }, { path: 'a/y', content: '' }],
    ],
    ['a/', 'a/x', 'a/y'],
  ],
  ['a file replaces a directory', [[{ path: 'a' }, { path: 'a/x', content: '' }], [{ path: 'a', content: '' }]], ['a']],
  [
    'a directory replaces a file',
    [[{ path: 'a', content: '' }], [{ path: 'a' }, { path: 'a/x', content: '' }]],
    ['a/', 'a/x'],
  ],
  [
    'a replaced directory does not come back',
    [[{ path: 'a' }, { path: 'a/x', content: '' }], [{ path: 'a', content: '' }], [{ path: 'a' }]],
    ['a/'],
  ],
  [
    'a whiteout hides a file',
    [[{ path: 'a' }, { path: 'a/x', content: '' }], [{ path: 'a/x', type: 'whiteout' }]],
    ['a/'],
  ],
  [
    'a whiteout hides a directory',
    [[{ path: 'a' }, { path: 'a/x', content: '' }], [{ path: 'a', type: 'whiteout' }]],
    [],
  ],
  ['a whiteout of nothing', [[{ path: 'a' }], [{ path: 'b/c', type: 'whiteout' }]], ['a/']],
  [
    'a whiteout and a new one in one layer',
    [
      [{ path: 'a' }, { path: 'a/x', content: '' }],
      [{ path: 'a', type: 'whiteout' }, { path: 'a' }, { path: 'a/y', content: '' }],
    ],
    ['a/', 'a/y'],
  ],
  [
    'a whiteout hides lower layers only, wherever it stands',
    [
      [{ path: 'x', content: '' }],
      [
        { path: 'x', content: 'new' },
        { path: 'x', type: 'whiteout' },
      ],
    ],
    ['x'],
  ],
  [
    'opaque hides lower contents only',
    [
      [{ path: 'a' }, { path: 'a/x', content: '' }],
      [{ path: 'a' }, { path: 'a/y', content: '' }, { path: 'a', type: 'opaque' }],
    ],
    ['a/', 'a/y'],
  ],
  [
    'an opaque root',
    [
      [{ path: 'a' }, { path: 'b', content: '' }],
      [
        { path: '', type: 'opaque' },
        { path: 'c', content: '' },
      ],
    ],
    ['c'],
  ],
  ['parents that nobody describes', [[{ path: 'a/b/c', content: '' }]], ['a/', 'a/b/', 'a/b/c']],
  [
    'a link is no parent',
    [[{ path: 'bin', type: 'symlink', link: 'usr/bin' }], [{ path: 'bin/x', content: '' }]],
    ['bin/', 'bin/x'],
  ],
  ['a hard link to nothing is not there', [[{ path: 'h', type: 'hardlink', link: 'nope' }]], []],
]
for (const [what, layers, paths] of cases)
  test(`LayerTree: ${what}`, () => {
    assert.deepEqual(dump(treeOf(...layers)), paths)
  })

test('the topmost metadata of a directory wins', () => {
  const tree = treeOf(
    [
      { path: '', mode: 0o700 },
      { path: 'a', mode: 0o700, uid: 1 },
    ],
    [{ path: 'a', mode: 0o711, uid: 2 }],
  )
  assert.deepEqual([tree.lstat('a')?.mode, tree.lstat('a')?.uid], [0o711, 2])
  assert.equal(tree.lstat('')?.mode, 0o700)
})

test('a directory that is only a parent in a later layer keeps its metadata', () => {
  const tree = treeOf([{ path: 'a', mode: 0o700 }], [{ path: 'a/x', content: '' }])
  assert.equal(tree.lstat('a')?.mode, 0o700)
})

test('lstat() follows no link', () => {
  const tree = treeOf([
    { path: 'bin', type: 'symlink', link: 'usr/bin' },
    { path: 'usr/bin/sh', content: '' },
  ])
  assert.equal(tree.lstat('bin/sh'), undefined)
  assert.equal(tree.lstat('bin')?.link, 'usr/bin')
  assert.deepEqual(tree.readdir('bin'), [])
})

test('locate() leads from a hard link to the content', () => {
  const tree = treeOf(
    [
      { path: 'a', content: 'zero' },
      { path: 'b', content: 'b', mode: 0o600, uid: 7 },
    ],
    [
      { path: 'c', type: 'hardlink', link: 'b' },
      { path: 'd', type: 'hardlink', link: 'c' },
    ],
  )
  const d = tree.locate('d')
  assert.deepEqual([d?.layerIndex, d?.offset, d?.contentPath], [0, 1000, 'b'])
  assert.deepEqual({ ...d?.entry }, { ...tree.lstat('b'), path: 'd' })
})

test('names come in byte order', () => {
  // U+FF5E sorts after U+1F600 in UTF-16, before it in bytes.
  const tree = treeOf([
    { path: '\u{1f600}', content: '' },
    { path: '\uff5e', content: '' },
    { path: 'Z', content: '' },
    { path: 'a', content: '' },
  ])
  assert.deepEqual(tree.readdir(''), ['Z', 'a', '\uff5e', '\u{1f600}'])
})
