/** Bytes that outputs write and repositories send are told of while they move. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type StartTransfer, Transfer } from '../../src/build/progress/transfer.js'
import { DirTree } from '../../src/engine/context/dir-tree.js'
import { StoredContents } from '../../src/engine/context/stored-contents.js'
import { checkOut } from '../../src/engine/git/checkout.js'
import { receivedBytes, withoutProgress } from '../../src/engine/git/git-progress.js'
import { writeFolder } from '../../src/engine/output/folder.js'
import { openSink } from '../../src/engine/output/sink.js'
import { openCli, TSBOX, writeContext } from '../helpers/cli.js'
import { gitDaemon, Repository } from '../helpers/git.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { withStore } from '../helpers/store.js'
import { tempDir } from '../helpers/temp.js'

/** Tells of every piece: by its clock a second goes by each time it is asked. */
function slowTransfers() {
  const told: string[] = []
  let now = 0
  const nowMs = () => {
    now += 1000
    return now
  }
  const transfer: StartTransfer = (name, total) =>
    new Transfer(
      { nowMs, tell: (current, all, done) => told.push(`${name} ${current}/${all}${done ? ' done' : ''}`) },
      total,
    )
  return { told, transfer }
}

function treeOf(t: TestContext, files: Readonly<Record<string, string>>): DirTree {
  const cli = openCli(t)
  const { store, lease } = withStore(t)
  const dir = writeContext(cli, files)
  return new DirTree(dir, [], store.sums.open(dir, lease), new StoredContents(store, lease, []))
}

const signal = new AbortController().signal

test('a folder that is written tells how much of it is', async (t) => {
  const { told, transfer } = slowTransfers()
  const dest = join(tempDir(t), 'out')
  await writeFolder(treeOf(t, { a: 'aaa', 'd/b': 'bb', e: '' }), dest, { signal, transfer })
  assert.equal(readFileSync(join(dest, 'd/b'), 'utf8'), 'bb')
  assert.deepEqual(told, ['copying files 3/5', 'copying files 5/5', 'copying files 5/5 done'])
})

test('an archive that is written tells how much was', async (t) => {
  const { told, transfer } = slowTransfers()
  const dest = join(tempDir(t), 'out.tar')
  const moved = transfer('sending tarball', 0)
  await openSink(dest, undefined, { signal, moved }, async (write) => {
    for (const size of [3, 4]) write(new Uint8Array(size))
  })
  assert.equal(statSync(dest).size, 7)
  assert.deepEqual(told, ['sending tarball 3/0', 'sending tarball 7/0'])
})

test('a build tells of an archive that nobody takes as fast as it comes', (t) => {
  const cli = openCli(t)
  const context = writeContext(cli, {
    Dockerfile: 'FROM scratch\nCOPY big /\n',
    big: { text: Buffer.alloc(4 << 20, 'big') },
  })
  for (const type of ['tar', 'oci', 'docker']) {
    // Whoever reads begins late, and what is between them holds a fraction of it: the writer waits.
    const command = `"$0" build --progress plain -o type=${type},dest=- "$1" | { sleep 1; wc -c; }`
    const ran = spawnSync('sh', ['-c', command, TSBOX, context], {
      env: { ...process.env, ...cli.env },
      encoding: 'utf8',
    })
    assert.equal(ran.status, 0, ran.stderr)
    assert.match(ran.stderr, /^#\d+ sending tarball [\d.]+k?M?B( [\d.]+s)?( done)?$/m)
    assert.ok(Number(ran.stdout) > 4 << 20)
  }
})

test('git tells how much it received', async (t) => {
  if (!requireProgram(t, 'git')) return
  const root = tempDir(t)
  const noise = Array.from({ length: 200 }, (_, i) => [`f${i}`, `${i} ${Math.sin(i)}\n`.repeat(50)] as const)
  const commit = new Repository(join(root, 'r.git')).commit(Object.fromEntries(noise))
  const remote = `${await gitDaemon(t, root)}/r.git`
  let received = 0
  const access = {
    ...{ env: process.env, signal, settings: [], ownSsh: false },
    received: (bytes: number) => {
      received += bytes
    },
  }
  const source = { remote, ref: '', subdir: '', checksum: '', submodules: true, keepGitDir: false }
  await checkOut(source, { commit, name: 'refs/heads/main' }, join(root, 'out'), access)
  const out = runProgram('git', ['count-objects', '-v'], { cwd: join(root, 'out') })
  const [, packedKiB] = /^size-pack: (\d+)$/m.exec(out)!
  assert.ok(received > 0 && received <= (Number(packedKiB) + 1) * 1024, `${received} bytes of ${packedKiB} KiB`)
})

test('git progress is read in any pieces, over several packs', () => {
  const said = [
    'remote: Enumerating objects: 5, done.        ',
    'remote: Counting objects: 100% (5/5), done.        ',
    'remote: Total 5 (delta 0), reused 0 (delta 0), pack-reused 0        ',
    'Receiving objects:  45% (9/20), 100 bytes | 1.00 KiB/s\rReceiving objects: 100% (20/20), 1.50 KiB | 1.00 KiB/s, done.',
    'Resolving deltas: 100% (1/1), done.',
    'Unpacking objects: 100% (3/3), 512 bytes | 512.00 KiB/s, done.',
    "fatal: couldn't find remote ref x",
    '',
  ].join('\n')
  for (const size of [1, 7, said.length]) {
    const told: number[] = []
    const hear = receivedBytes((bytes) => told.push(bytes))
    for (let i = 0; i < said.length; i += size) hear(said.slice(i, i + size))
    assert.deepEqual(told, [100, 1436, 512])
  }
  assert.equal(withoutProgress(said), "fatal: couldn't find remote ref x")
})
