/** Files that don't fit into memory, or take long to read. */
import assert from 'node:assert/strict'
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

test('Ctrl-C ends the reading of a big file, and nothing of it is left', async () => {
  const context = writeContext(cli, { Dockerfile: 'FROM base\nCOPY big /\n', big: '' })
  truncateSync(join(context, 'big'), 3 * 2 ** 30)
  const blobs = cli.names('blobs', 'sha256')
  const build = cli.start(['build', '--progress', 'plain', context])
  await build.until(/COPY big/)
  build.child.kill('SIGINT')
  const ended = await build.ended
  assert.equal(ended.code, 130, ended.stderr)
  assert.deepEqual(cli.leftovers(), [])
  assert.deepEqual(cli.names('blobs', 'sha256'), blobs)
})

test('a volume begins with a big file of a layer that was never exported', async (t) => {
  if (!(await requireBox(t))) return
  const Dockerfile =
    'FROM base\nRUN mkdir /data && head -c 30000001 /dev/urandom > /data/f && sha256sum /data/f > /sum\n'
  cli.build(writeContext(cli, { Dockerfile }), ['-t', 'big'])
  cli.ok(['run', '--rm', '-v', 'big:/data', 'big', 'sha256sum', '-c', '/sum'])
  assert.deepEqual(cli.leftovers(), [])
})
