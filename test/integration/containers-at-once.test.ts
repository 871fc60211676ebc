/** Containers that want the same: a name, a volume. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

test('of containers that ask for one name at once, one gets it', async (t) => {
  if (!(await requireBox(t))) return
  for (const name of ['one', 'two', 'three']) {
    const runs = Array.from({ length: 6 }, () => cli.start(['run', '--name', name, 'base', 'sleep', '1']))
    for (const run of runs) run.child.stdin?.end()
    const ended = await Promise.all(runs.map((run) => run.ended))
    assert.deepEqual(ended.map((e) => e.code).sort(), [0, 125, 125, 125, 125, 125], name)
  }
  assert.deepEqual(cli.ok(['ps', '-a', '--format', '{{.Names}}']).trim().split('\n').sort(), ['one', 'three', 'two'])
})

test('nameless volumes whose paths begin alike are two', async (t) => {
  if (!(await requireBox(t))) return
  const long = `/${'long/'.repeat(40)}`
  const volumes = ['-v', `${long}a`, '-v', `${long}b`]
  const out = cli.ok(['run', '--rm', ...volumes, 'base', 'sh', '-c', `touch ${long}a/f; ls ${long}b`])
  assert.equal(out, '')
})
