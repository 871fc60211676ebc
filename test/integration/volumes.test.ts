/** Named volumes and those that an image asks for. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

test('a named volume is listed, kept while a container uses it, and removed with what mapped users own', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok([
    'run',
    '--name',
    'user',
    '-v',
    'data:/d',
    'base',
    'sh',
    '-c',
    'mkdir /d/x && chown 5:6 /d/x && chmod 700 /d/x',
  ])
  assert.equal(cli.ok(['volume', 'ls', '-q']), 'data\n')
  const used = cli.run(['volume', 'rm', 'data'])
  assert.equal(used.code, 1)
  assert.match(used.stderr, /volume is in use/)
  cli.ok(['rm', 'user'])
  assert.equal(cli.ok(['volume', 'rm', 'data']), 'data\n')
  assert.equal(cli.ok(['volume', 'ls', '-q']), '')
  assert.deepEqual(cli.names('volumes', 'subid'), [])
  assert.match(cli.run(['volume', 'rm', 'data']).stderr, /no such volume/)
})

test('VOLUME of an image is a volume with what the image has there, gone with the container', async (t) => {
  if (!(await requireBox(t))) return
  const context = writeContext(cli, { Dockerfile: 'FROM base\nRUN mkdir /v && echo kept > /v/file\nVOLUME /v /new\n' })
  cli.build(context, ['-t', 'withvolume'])
  assert.equal(
    cli.ok(['run', '--rm', 'withvolume', 'sh', '-c', 'cat /v/file && echo x > /new/y && ls /new']),
    'kept\ny\n',
  )
  assert.deepEqual(cli.leftovers(), [])
})
