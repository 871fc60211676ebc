import assert from 'node:assert/strict'
import { closeSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeFileAtomic } from '../../src/util/atomic.js'
import { openBeneath } from '../../src/util/beneath.js'
import { nodeSha256 } from '../../src/util/hash.js'
import { diskUsage, removeOwnTree } from '../../src/util/remove-tree.js'
import { storageError } from '../../src/util/storage-error.js'
import { storeRoot } from '../../src/util/store-root.js'
import { runProgram } from '../helpers/programs.js'
import { tempDir } from '../helpers/temp.js'

const roots: [what: string, root: string | undefined, env: Record<string, string>, expected: string][] = [
  ['--root first', '/r', { TSBOX_ROOT: '/e', HOME: '/h' }, '/r'],
  ['a relative --root', 'r', {}, '/cwd/r'],
  ['TSBOX_ROOT', undefined, { TSBOX_ROOT: '/e', XDG_DATA_HOME: '/x', HOME: '/h' }, '/e'],
  ['XDG_DATA_HOME', undefined, { XDG_DATA_HOME: '/x', HOME: '/h' }, '/x/tsbox'],
  [
    'a relative XDG_DATA_HOME counts as unset',
    undefined,
    { XDG_DATA_HOME: 'x', HOME: process.cwd() },
    `${process.cwd()}/.local/share/tsbox`,
  ],
  ['HOME', undefined, { HOME: process.cwd() }, `${process.cwd()}/.local/share/tsbox`],
]
for (const [what, root, env, expected] of roots)
  test(`storeRoot(): ${what}`, () => {
    assert.deepEqual(storeRoot({ root, env, cwd: '/cwd' }), { path: expected })
  })

test('storeRoot() takes a folder of its own where nothing can be made at home, and says why', (t) => {
  const dir = tempDir(t)
  const { path, instead } = storeRoot({ env: { HOME: '/dev/null', TMPDIR: dir }, cwd: '/' })
  assert.match(path, new RegExp(`^(/var/tmp|${dir})/tsbox-${process.getuid!()}$`))
  assert.match(instead!, /^nothing can be made in "\/dev\/null": /)
  assert.equal(statSync(path).mode & 0o777, 0o700)
  assert.deepEqual(storeRoot({ env: { HOME: '/dev/null', TMPDIR: dir }, cwd: '/' }).path, path)
})

test('storageError() knows a full disk and a closed folder', () => {
  const of = (code: string) =>
    (storageError(Object.assign(new Error(), { code }), 'write', '/x') as { code: string }).code
  assert.equal(of('ENOSPC'), 'E_DISK_FULL')
  assert.equal(of('EDQUOT'), 'E_DISK_FULL')
  assert.equal(of('EROFS'), 'E_STORE_UNWRITABLE')
  assert.equal(of('EACCES'), 'E_STORE_UNWRITABLE')
  assert.equal(of('EIO'), 'EIO')
})

test('writeFileAtomic() replaces and leaves no temporary file', (t) => {
  const dir = tempDir(t)
  const path = join(dir, 'a/b/file')
  writeFileAtomic(path, 'one', { temp: join(dir, 'tmp/t1') })
  writeFileAtomic(path, 'two', { temp: join(dir, 'tmp/t1'), sync: true })
  assert.equal(readFileSync(path, 'utf8'), 'two')
  assert.ok(!existsSync(join(dir, 'tmp/t1')))
})

test('openBeneath() opens plain files only', (t) => {
  const dir = tempDir(t)
  mkdirSync(join(dir, 'in/sub'), { recursive: true })
  writeFileSync(join(dir, 'secret'), 's')
  writeFileSync(join(dir, 'in/sub/file'), 'f')
  symlinkSync('../../secret', join(dir, 'in/sub/link'))
  symlinkSync('..', join(dir, 'in/up'))
  runProgram('mkfifo', [join(dir, 'in/fifo')])
  const root = join(dir, 'in')
  const found = openBeneath(root, 'sub/file')
  assert.equal(found?.stat.size, 1)
  closeSync(found!.fd)
  assert.equal(openBeneath(root, 'sub/none'), undefined)
  assert.equal(openBeneath(root, 'none/none'), undefined)
  for (const path of [
    '../secret',
    '/etc/passwd',
    'sub/../../secret',
    'sub/link',
    'up/secret',
    'sub',
    'fifo',
    'sub//file',
    '',
  ])
    assert.throws(() => openBeneath(root, path), { code: 'E_UNSAFE_PATH' }, path)
})

test('removeOwnTree() removes closed folders and names that are not UTF-8, and follows no link', (t) => {
  const dir = tempDir(t)
  const outside = join(dir, 'outside')
  mkdirSync(join(dir, 'tree/a/b'), { recursive: true })
  writeFileSync(outside, 'stays')
  symlinkSync('../../outside', join(dir, 'tree/a/link'))
  writeFileSync(Buffer.concat([Buffer.from(join(dir, 'tree/a/')), Buffer.of(0xe9)]), '')
  runProgram('chmod', ['000', join(dir, 'tree/a/b')])
  assert.ok(diskUsage(join(dir, 'tree')) > 0)
  assert.ok(removeOwnTree(join(dir, 'tree')))
  assert.ok(!existsSync(join(dir, 'tree')))
  assert.equal(readFileSync(outside, 'utf8'), 'stays')
  assert.ok(removeOwnTree(join(dir, 'nothing')))
})

test('nodeSha256() is SHA-256', () => {
  assert.equal(nodeSha256().update('abc').hex(), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})
