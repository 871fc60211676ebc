/** A secret is where the step asks for it, and nowhere else: no layer, history, log, cache record, key. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli))

/** Files below a folder that contain a text. */
function filesWith(text: string, dir: string): string[] {
  const run = spawnSync('grep', ['-rlaF', text, dir], { encoding: 'utf8' })
  return run.stdout.split('\n').filter(Boolean)
}

test('secrets leave no trace', async (t) => {
  if (!(await requireBox(t))) return
  const fromFile = `FILE${randomBytes(16).toString('hex')}`
  const fromEnv = `ENV${randomBytes(16).toString('hex')}`
  const known = `KNOWN${randomBytes(16).toString('hex')}`
  writeFileSync(join(cli.dir, 'token'), fromFile)
  const context = writeContext(cli, {
    Dockerfile: `FROM base AS check
RUN --mount=type=secret,id=file,required --mount=type=secret,id=env,target=/run/other,mode=0440,uid=7 \\
    test "$(cat /run/secrets/file | wc -c)" = 36 && test "$(head -c 3 /run/other)" = ENV \\
    && stat -c '%u %a' /run/other > /modes && echo ${known} > /known
RUN --mount=type=secret,id=env,env=TOKEN test "$(echo $TOKEN | head -c 3)" = ENV
RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent
RUN test ! -s /run/secrets/file && test ! -s /run/other
`,
  })
  const args = ['--secret', `id=file,src=${join(cli.dir, 'token')}`, '--secret', 'id=env,env=MY_TOKEN']
  const { log } = cli.build(context, [...args, '-t', 'secretive'], { env: { MY_TOKEN: fromEnv } })
  assert.equal(cli.ok(['run', '--rm', 'secretive', 'cat', '/modes']), '7 440\n')
  cli.ok(['save', '-o', join(cli.dir, 'secretive.tar'), 'secretive'])

  for (const secret of [fromFile, fromEnv]) {
    assert.ok(!log.includes(secret), 'not in the log')
    assert.deepEqual(filesWith(secret, cli.root), [])
    assert.deepEqual(filesWith(secret, join(cli.dir, 'secretive.tar')), [])
  }
  assert.ok(filesWith(known, cli.root).length > 0, 'the search finds what is there')

  // The value is no part of a key: another one changes nothing.
  writeFileSync(join(cli.dir, 'token'), `FILE${randomBytes(16).toString('hex')}`)
  const again = cli.build(context, args, { env: { MY_TOKEN: `${fromEnv}x` } })
  assert.equal([...again.log.matchAll(/^#\d+ CACHED$/gm)].length, 5, again.log)
})

test('proxies are for steps, not for keys and history', async (t) => {
  if (!(await requireBox(t))) return
  const proxy = `http://user:${randomBytes(8).toString('hex')}@proxy.invalid:3128`
  const context = writeContext(cli, { Dockerfile: 'FROM base\nRUN test -n "$HTTP_PROXY" && echo ok > /ok\n' })
  const first = cli.build(context, ['--build-arg', `HTTP_PROXY=${proxy}`, '-t', 'proxied'])
  const second = cli.build(context, ['--build-arg', 'HTTP_PROXY=http://other.invalid'])
  assert.equal(first.id, second.id)
  assert.deepEqual(filesWith(proxy, cli.root), [])
  assert.equal(cli.ok(['run', '--rm', 'proxied', 'sh', '-c', 'echo "<$HTTP_PROXY>"']), '<>\n')
})
