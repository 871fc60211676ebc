/** A folder as a context: the same answers whatever is asked first. */
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DirTree } from '../../../src/engine/context/dir-tree.js'
import { StoredContents } from '../../../src/engine/context/stored-contents.js'
import { withStore } from '../../helpers/store.js'
import { tempDir } from '../../helpers/temp.js'

const FILES = ['a', 'd/1', 'd/2', 'd/deep/x', 'd/deep/y.log', 'd0', 'logs/keep/me', 'logs/other', 'logs/z', 'u.v', 'ü']

function context(t: TestContext): string {
  const dir = tempDir(t)
  for (const file of FILES) {
    mkdirSync(dirname(join(dir, file)), { recursive: true })
    writeFileSync(join(dir, file), file)
  }
  symlinkSync('d', join(dir, 'link'))
  return dir
}

function open(t: TestContext, dir: string, patterns: readonly string[] = []): DirTree {
  const { store, lease } = withStore(t)
  return new DirTree(dir, patterns, store.sums.open(dir, lease), new StoredContents(store, lease, []))
}

function walk(tree: DirTree, dir = ''): string[] {
  return tree.list(dir).flatMap(({ path, type }) => [path, ...(type === 'dir' ? walk(tree, path) : [])])
}

const ALL = [
  ...['a', 'd', 'd/1', 'd/2', 'd/deep', 'd/deep/x', 'd/deep/y.log', 'd0', 'link'],
  ...['logs', 'logs/keep', 'logs/keep/me', 'logs/other', 'logs/z', 'u.v', 'ü'],
]

test('a folder lists in byte order, and answers about a path are the same before and after', async (t) => {
  const dir = context(t)
  const asked = [...ALL, 'none', 'd/none', 'none/x', 'a/x', 'link/1', '', 'd/deep/x']
  const answers = (tree: DirTree) => asked.map((path) => tree.lstat(path)?.type)
  const first = open(t, dir)
  const before = answers(first)
  assert.deepEqual(walk(first), ALL)
  assert.deepEqual(answers(first), before)
  const second = open(t, dir)
  assert.deepEqual(walk(second), ALL)
  assert.deepEqual(answers(second), before)
  assert.deepEqual(answers(second).reverse(), before.toReversed())
  assert.equal(second.lstat('link/1'), undefined, 'a link is not followed')
  assert.deepEqual(second.readdir('d'), ['1', '2', 'deep'])
  assert.deepEqual(second.readdir('a'), [])
  const mixed = ['d/deep/x', 'ü', 'd/1', 'd/2', 'a']
  const heard: string[] = []
  for (const tree of [first, second, open(t, dir)]) {
    await tree.readFiles(
      mixed,
      (i) => heard.push(`${mixed[i]}=`),
      (chunk) => heard.push(Buffer.from(chunk).toString()),
    )
    assert.deepEqual(heard.splice(0).join(' '), mixed.map((f) => `${f}= ${f}`).join(' '))
  }
})

test('an excluded folder shows what an exception leaves in it, whatever is asked first', (t) => {
  const dir = context(t)
  const patterns = ['logs', '!logs/keep', '**/*.log', 'd0', 'd/deep', '!d/deep/x']
  const shown = ['a', 'd', 'd/1', 'd/2', 'd/deep', 'd/deep/x', 'link', 'logs', 'logs/keep', 'logs/keep/me', 'u.v', 'ü']
  assert.deepEqual(walk(open(t, dir, patterns)), shown)
  for (const first of ['logs/keep/me', 'logs/z', 'd/deep/y.log', 'd/deep', 'logs', 'd0']) {
    const tree = open(t, dir, patterns)
    assert.equal(tree.lstat(first) !== undefined, shown.includes(first), first)
    assert.deepEqual(walk(tree), shown)
    assert.deepEqual(
      ALL.filter((path) => tree.lstat(path)),
      shown,
    )
  }
})
