import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeDir } from '../../src/wasm/vfs/change.js'
import { VfsError } from '../../src/wasm/vfs/error.js'
import { memoryLower } from '../../src/wasm/vfs/lower.js'
import { resolve } from '../../src/wasm/vfs/resolve.js'
import { Tree } from '../../src/wasm/vfs/tree.js'
import { E, O } from './guest.js'
import { dirAt, fileAt, linkAt, type RootFile, runGuest } from './run.js'

const chain = Array.from({ length: 41 }, (_, i) => linkAt(`chain${i}`, i === 40 ? 'etc/passwd' : `chain${i + 1}`))
const root: RootFile[] = [
  dirAt('etc'),
  fileAt('etc/passwd', 'inside'),
  dirAt('a'),
  dirAt('a/b'),
  linkAt('abs', '/etc/passwd'),
  linkAt('up', '../../../../etc/passwd'),
  linkAt('a/b/up', '../../../../../etc/passwd'),
  linkAt('a/rootdir', '/'),
  linkAt('a/parent', '..'),
  linkAt('self', 'self'),
  linkAt('ping', 'pong'),
  linkAt('pong', 'ping'),
  linkAt('dangling', 'etc/missing'),
  linkAt('throughfile', 'etc/passwd/x'),
  ...chain,
]

const lookups: [path: string, follow: boolean, found: string][] = [
  ['/etc/passwd', true, 'etc/passwd'],
  ['etc//./passwd', true, 'etc/passwd'],
  ['abs', true, 'etc/passwd'],
  ['abs', false, 'abs'],
  ['up', true, 'etc/passwd'],
  ['a/b/up', true, 'etc/passwd'],
  ['../../etc/passwd', true, 'etc/passwd'],
  ['a/../../../etc/passwd', true, 'etc/passwd'],
  ['a/rootdir/etc/passwd', true, 'etc/passwd'],
  ['a/rootdir/../../etc/../a/parent/etc/passwd', true, 'etc/passwd'],
  ['a/parent/a/parent/etc/passwd', true, 'etc/passwd'],
  ['chain1', true, 'etc/passwd'],
  ['chain0', true, 'ELOOP'],
  ['self', true, 'ELOOP'],
  ['self/x', false, 'ELOOP'],
  ['ping', true, 'ELOOP'],
  ['etc/passwd/x', true, 'ENOTDIR'],
  ['etc/passwd/..', true, 'ENOTDIR'],
  ['throughfile', true, 'ENOTDIR'],
  ['missing/x', true, 'ENOENT'],
  ['', true, 'ENOENT'],
  ['dangling', true, '(nothing)'],
  [`etc/${'n'.repeat(256)}`, true, 'ENAMETOOLONG'],
  ['x/'.repeat(2100), true, 'ENAMETOOLONG'],
]

function treeOf(files: RootFile[]): Tree {
  return new Tree({ lower: memoryLower([dirAt(''), ...files]), now: () => 0n, maxBytes: 1 << 20 })
}

for (const [path, follow, found] of lookups)
  test(`resolve() ${follow ? 'follows' : 'names'} ${JSON.stringify(path.slice(0, 60))} as ${found}`, () => {
    const tree = treeOf(root)
    const answer = () => {
      const { node } = resolve(tree, tree.root, path, follow)
      return node ? node.origin?.path : '(nothing)'
    }
    if (!found.startsWith('E')) return assert.equal(answer(), found)
    assert.throws(answer, (err) => err instanceof VfsError && err.errno === found)
  })

test('a directory that was removed has no parent and takes no new names', () => {
  const tree = treeOf([])
  const made = makeDir(tree, resolve(tree, tree.root, 'd', false))
  made.links = 0
  made.parent = undefined
  assert.throws(() => resolve(tree, made, '..', false), /ENOENT/)
  assert.throws(() => makeDir(tree, resolve(tree, made, 'x', false)), /ENOENT/)
})

const escapes: [does: string, path: string, errno: number][] = [
  ['an absolute path', '/etc/passwd', E.PERM],
  ['.. at the root', '../canary', E.PERM],
  ['.. behind a way down', 'a/b/../../../canary', E.PERM],
  ['.. behind names that are not there', 'no/../../canary', E.PERM],
]
for (const [does, path, errno] of escapes)
  test(`a guest gets nowhere with ${does}`, async () => {
    const ran = await runGuest((g) => g.openFails(errno, path).openFails(errno, path, O.CREAT), root)
    assert.deepEqual([ran.exitCode, ran.names], [0, []])
  })

test('links that point out of the root lead to its own files', async () => {
  const ran = await runGuest((g) => g.cat('up').cat('a/b/up').cat('abs').cat('a/rootdir/etc/passwd'), root)
  assert.equal(ran.stdout.replaceAll('\0', ''), 'inside'.repeat(4))
})

test('a guest that makes its way out by links and renames writes inside', async () => {
  const ran = await runGuest((g) => {
    g.call('path_symlink', ...g.text('../../../..'), 3, ...g.text('a/out'))
    g.writeFile('a/out/canary', 'c')
    // Moving the directory under an open descriptor: `..` is where it is now, never above the root.
    const dir = g.open('a/b', O.DIRECTORY)
    g.call('path_rename', 3, ...g.text('a/b'), 3, ...g.text('b'))
    const out = g.open('../canary2', O.CREAT, { dir })
    g.write(out, 'd').expect(E.PERM, 'path_open', dir, 1, ...g.text('../../canary3'), O.CREAT, 64n, 0n, 0, g.buffer(4))
  }, root)
  assert.equal(ran.exitCode, 0)
  assert.deepEqual(
    ran.changes.filter((e) => e.type === 'file').map((e) => [e.path, e.text]),
    [
      ['canary', 'c'],
      ['canary2', 'd'],
    ],
  )
})

const relative: [path: string, where: string][] = [
  ['new.txt', 'work/dir/new.txt'],
  ['etc/new.txt', 'etc/new.txt'],
  ['sub/new.txt', 'work/dir/sub/new.txt'],
  ['../new.txt', 'work/new.txt'],
  ['../../new.txt', 'new.txt'],
  ['./new.txt', 'work/dir/new.txt'],
]
for (const [path, where] of relative)
  test(`a path whose first name the root lacks starts in the working directory: ${path}`, async () => {
    const files = [dirAt('etc'), dirAt('work'), dirAt('work/dir'), dirAt('work/dir/sub')]
    const ran = await runGuest((g) => g.writeFile(path, 'x'), files, { cwd: '/work/dir' })
    assert.equal(ran.exitCode, 0)
    assert.deepEqual(
      ran.changes.filter((e) => e.type === 'file').map((e) => e.path),
      [where],
    )
  })

test('a working directory that is missing is made, and belongs to root', async () => {
  const ran = await runGuest((g) => g.writeFile('f', 'x'), [dirAt('srv')], { cwd: '/srv/app/data', user: '12:13' })
  assert.deepEqual(ran.names, ['dir srv', 'dir srv/app', 'dir srv/app/data', 'file srv/app/data/f'])
  assert.deepEqual(
    ran.changes.map((e) => `${e.uid}:${e.gid}`),
    ['0:0', '0:0', '0:0', '12:13'],
  )
})
