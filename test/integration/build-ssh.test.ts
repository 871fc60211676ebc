/** RUN --mount=type=ssh with real agents, in both id modes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { makeBase, requireBox, sharedCli, writeContext } from '../helpers/cli.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { assertFailed } from '../helpers/refusal.js'
import { ID_MODES, isAlive, until } from '../helpers/userns.js'

const cli = sharedCli()
before(() => makeBase(cli, ['ssh-add']))

async function ready(t: TestContext): Promise<boolean> {
  return requireProgram(t, 'ssh-agent', 'openssh-client') && (await requireBox(t))
}

let keys = 0
/** A new key. @returns its file, and its fingerprint as ssh-add -l shows it */
function newKey(passphrase = ''): { file: string; fingerprint: string } {
  const file = join(cli.dir, `key${keys++}`)
  runProgram('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-C', `comment-${keys}`, '-f', file])
  return { file, fingerprint: runProgram('ssh-keygen', ['-lf', file]).split(' ')[1]! }
}

const STEPS = `FROM base
RUN --mount=type=ssh,mode=0640,uid=5,gid=6 stat -c 'socket %a %u:%g %n' $SSH_AUTH_SOCK; ssh-add -l; ssh-add -D; ssh-add -l | grep -c SHA256
USER 1000
RUN --mount=type=ssh,id=other,uid=1000,target=/tmp/agent,required ssh-add -l && id -u
USER 0
RUN test -z "$SSH_AUTH_SOCK" && test ! -e /tmp/agent
`

for (const { mode } of ID_MODES)
  test(`a step lists the keys of files, and can't remove them (${mode})`, async (t) => {
    if (!(await ready(t))) return
    const [a, b, c] = [newKey(), newKey(), newKey()]
    // ssh-add would refuse such a file by itself.
    chmodSync(b.file, 0o644)
    const args = ['--no-cache', '--userns', mode, '--ssh', `default=${a.file},${b.file}`, '--ssh', `other=${c.file}`]
    const context = writeContext(cli, { Dockerfile: STEPS })
    const { log } = cli.build(context, [...args, '-t', 'agents'])
    for (const { fingerprint } of [a, b, c]) assert.ok(log.includes(fingerprint), log)
    assert.match(log, mode === 'subid' ? /socket 640 5:6 \/run\/buildkit\/ssh_agent\.0/ : /socket 640 /)
    assert.match(log, /Failed to remove all identities/)
    assert.match(log, /^#\d+ [0-9.]+ 2$/m)
    assert.match(log, /^#\d+ [0-9.]+ 1000$/m)
    const tree = cli.ok(['run', '--rm', 'agents', 'sh', '-c', 'ls -d /run/buildkit /tmp/agent 2>&1; true'])
    assert.doesNotMatch(tree, /^\//m)
    const told = cli.ok(['history', '--no-trunc', 'agents']) + cli.ok(['inspect', 'agents'])
    assert.doesNotMatch(told, /SSH_AUTH_SOCK=|ssh_agent\.0/)
    assert.deepEqual(cli.leftovers(), [])
  })

test('an agent of the machine, filtered or raw; other keys are the same cache', async (t) => {
  if (!(await ready(t))) return
  const { file, fingerprint } = newKey()
  const socket = join(cli.dir, 'agent')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  t.after(() => agent.kill('SIGKILL'))
  const env = { ...process.env, SSH_AUTH_SOCK: socket }
  await until(() => {
    try {
      runProgram('ssh-add', ['-q', file], { env })
      return true
    } catch {
      return false
    }
  })
  const context = writeContext(cli, {
    Dockerfile: 'FROM base\nRUN --mount=type=ssh,required ssh-add -l; ssh-add -D; true\n',
  })
  const { log } = cli.build(context, ['--ssh', 'default'], { env: { SSH_AUTH_SOCK: socket } })
  assert.ok(log.includes(fingerprint), log)
  assert.match(runProgram('ssh-add', ['-l'], { env }), /SHA256/, 'the key is still there')
  const again = cli.build(context, ['--ssh', `default=${newKey().file}`])
  assert.match(again.log, /RUN --mount=type=ssh,required ssh-add -l.*\n#\d+ CACHED/)
  cli.build(context, ['--no-cache', '--ssh', `default=${socket},raw=true`])
  assert.throws(() => runProgram('ssh-add', ['-l'], { env }), /no identities|ended with 1/)
})

test('an agent for keys ends with the build, also with one that fails, is interrupted or killed', async (t) => {
  if (!(await ready(t))) return
  const { file } = newKey()
  const context = writeContext(cli, { Dockerfile: 'FROM base\nRUN --mount=type=ssh echo up; sleep 100\n' })
  const failing = writeContext(cli, { Dockerfile: 'FROM base\nRUN --mount=type=ssh false\n' })
  const args = ['build', '--progress', 'plain', '--ssh', `default=${file}`]
  assert.equal(cli.run([...args, failing]).code, 1)
  assert.deepEqual(cli.leftovers(), [])
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    const running = cli.start([...args, context])
    await running.until(/ up$/m)
    const agents = agentsOf(running.pid)
    assert.equal(agents.length, 1)
    process.kill(running.pid, signal)
    await running.ended
    await until(() => agents.every((pid) => !isAlive(pid)))
  }
  cli.ok(['system', 'prune', '-f'])
  assert.deepEqual(cli.leftovers(), [])
})

/** Agents whose socket is in a folder of a process. */
function agentsOf(pid: number): number[] {
  const lines = runProgram('ps', ['-eo', 'pid,args']).split('\n')
  return lines
    .filter((l) => /ssh-agent -a/.test(l) && l.includes(`/proc/${pid}/fd/`))
    .map((l) => Number.parseInt(l, 10))
}

test('what can be wrong with agents', async (t) => {
  if (!(await ready(t))) return
  const context = writeContext(cli, { Dockerfile: 'FROM base\nRUN --mount=type=ssh,id=k,required true\n' })
  const run = (...args: string[]) => cli.run(['build', ...args, context], { env: { SSH_AUTH_SOCK: '' } })
  const locked = newKey('secret').file
  const text = join(cli.dir, 'text')
  writeFileSync(text, 'no key\n')
  assertFailed(run(), { code: 1, line: 2, message: /no agent given to this build "k"/, hint: /--ssh k=KEYFILE/ })
  assertFailed(run('--ssh', 'k'), { code: 1, message: /SSH_AUTH_SOCK is not set/, hint: /ssh-agent/ })
  assertFailed(run('--ssh', 'k=none'), { code: 1, message: /no file or socket ".*none"/, hint: /private key/ })
  assertFailed(run('--ssh', `k=${locked}`), { code: 1, message: /it has a passphrase/, hint: /ssh-add/ })
  assertFailed(run('--ssh', `k=${text}`), { code: 1, message: /no private key/, hint: /\.pub/ })
  assertFailed(run('--ssh', `k=${text},raw=true`), { code: 125, message: /raw=true needs a socket/ })
  assertFailed(run('--ssh', `k=${text}`, '--ssh', 'k'), { code: 125, message: /"k" is given twice/ })
  assert.deepEqual(cli.leftovers(), [])
})
