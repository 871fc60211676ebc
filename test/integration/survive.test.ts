/** What containers survive: the terminal that they were started from, and the session of a login. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeBase, onPath, REPO, requireBox, sharedCli, skip, TSBOX } from '../helpers/cli.js'
import { until } from '../helpers/userns.js'

// Before the store goes, which is what comes after it here.
after(() => {
  const ids = cli.run(['ps', '-aq']).stdout.split('\n').filter(Boolean)
  if (ids.length) cli.run(['rm', '-f', ...ids])
})
const cli = sharedCli()
before(() => makeBase(cli))

/** Runs a script as a login would, and takes its terminal away when it has printed `mark`. */
function hangUp(mark: string, script: string): string {
  const args = [join(REPO, 'test/helpers/hangup.py'), mark, 'sh', '-c', script, TSBOX]
  const run = spawnSync('python3', args, { encoding: 'utf8', cwd: cli.dir, env: { ...cli.env, TERM: 'xterm' } })
  assert.equal(run.status, 0, run.stderr)
  return run.stdout
}
const state = (name: string) => cli.ok(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name]).trim()

test('the end of the terminal and of its session ends no container in the background', async (t) => {
  if (!(await requireBox(t))) return
  if (!onPath('python3')) return void skip(t, 'python3 is not installed: sudo apt-get install python3')
  const script = '"$0" run -d --name back base sh -c "echo alive; exec sleep 1000"; echo started; exec cat'
  assert.match(hangUp('started', script), /status -1\n$/, 'the shell got the SIGHUP')
  assert.equal(state('back'), 'running 0')
  await until(() => cli.ok(['logs', 'back']) === 'alive\n')
  assert.equal(cli.ok(['exec', 'back', 'sh', '-c', 'echo still']), 'still\n')
})

test('one in the foreground gets the SIGHUP, and goes on where its program does', async (t) => {
  if (!(await requireBox(t))) return
  if (!onPath('python3')) return void skip(t, 'python3 is not installed: sudo apt-get install python3')
  const go = join(cli.dir, 'go')
  mkdirSync(go)
  for (const tty of ['', '-t']) {
    const name = `front${tty}`
    const body = `trap "echo hup" HUP; echo ready; until [ -e /go/${name} ]; do sleep 0.05; done; echo over`
    const script = `exec "$0" run ${tty} --name ${name} -v ${go}:/go base sh -c '${body}'`
    hangUp('ready', `${script} & echo; wait; exit 0`)
    assert.equal(state(name), 'running 0')
    writeFileSync(join(go, name), '')
    assert.equal(cli.ok(['wait', name]), '0\n')
    assert.match(cli.ok(['logs', name]), /over\r?\n$/)
  }
  hangUp('ready', 'exec "$0" run --name default base sh -c "echo ready; exec sleep 1000"')
  assert.equal(cli.ok(['wait', 'default']), '129\n')
})
