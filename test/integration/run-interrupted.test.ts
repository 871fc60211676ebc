/** Signals that come before the program of a container runs. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

test('a container that is interrupted while it is made leaves nothing, whenever that is', async (t) => {
  if (!(await requireBox(t))) return
  cli.ok(['run', '--rm', 'base', 'true'])
  for (let ms = 40; ms <= 240; ms += 8) {
    const run = cli.start(['run', '--rm', 'base', 'sh', '-c', 'trap "exit 130" INT; sleep 30 & wait'])
    await new Promise((done) => setTimeout(done, ms))
    run.child.kill('SIGINT')
    const ended = await run.ended
    // Before Node hears of signals at all it dies of one.
    assert.ok(ended.code === 130 || ended.signal === 'SIGINT', `${ms} ms: ${JSON.stringify(ended)}`)
    assert.equal(cli.ok(['ps', '-aq']), '', `${ms} ms`)
  }
})
