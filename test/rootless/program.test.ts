/** Whose copy of its program the helper executes. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { Agent } from '../../src/rootless/agent.js'
import { requireProgram } from '../helpers/programs.js'
import { HELPER, processTree, requireUserns } from '../helpers/userns.js'

/** Executes the helper out of a memfd and waits in it: `change` is done to its bytes before, `seals` are put on it. */
const PRETEND = `
import fcntl, os, sys
data = bytearray(open(sys.argv[1], 'rb').read())
if sys.argv[2] == 'changed':
    at = data.index(b'started by tsbox')
    data[at:at + 7] = b'stopped'
fd = os.memfd_create('tsbox-helper', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
os.write(fd, data)
fcntl.fcntl(fd, 1033, int(sys.argv[3]))
os.dup2(0, 3)
os.set_inheritable(3, True)
print('ready', flush=True)
os.execve(fd, ['tsbox-helper', 'agent', '1'], {})
`
const ALL_SEALS = 15
const WRITABLE = 7

async function pretend(t: TestContext, change: 'same' | 'changed', seals: number): Promise<ChildProcess> {
  const child = spawn('python3', ['-c', PRETEND, HELPER, change, String(seals)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  while (!readlinkSync(`/proc/${child.pid}/exe`).startsWith('/memfd:')) await new Promise((d) => setTimeout(d, 10))
  return child
}

const inode = (pid: number) => statSync(`/proc/${pid}/exe`).ino

/** The program that an agent executes that was told of `living`. */
async function programOf(living: number): Promise<{ ino: number; content: Buffer }> {
  const before = new Set(processTree(process.pid))
  const agent = await Agent.start({ helperPath: HELPER, mode: 'single', maps: { method: 'single' }, living })
  try {
    const pid = processTree(process.pid).find((p) => !before.has(p))!
    return { ino: inode(pid), content: readFileSync(`/proc/${pid}/exe`) }
  } finally {
    await agent.close()
  }
}

test('a helper executes the sealed copy of another one', async (t) => {
  if (!(await requireUserns(t)) || !requireProgram(t, 'python3')) return
  const other = await pretend(t, 'same', ALL_SEALS)
  assert.equal((await programOf(other.pid!)).ino, inode(other.pid!))
})

for (const [what, change, seals] of [
  ['other bytes', 'changed', ALL_SEALS],
  ['a seal too few', 'same', WRITABLE],
] as const)
  test(`a copy that has ${what} is not executed`, async (t) => {
    if (!(await requireUserns(t)) || !requireProgram(t, 'python3')) return
    const other = await pretend(t, change, seals)
    const { ino, content } = await programOf(other.pid!)
    assert.notEqual(ino, inode(other.pid!))
    assert.ok(content.equals(readFileSync(HELPER)))
  })

test('a number that is another process, or nobody, does no harm', async (t) => {
  if (!(await requireUserns(t))) return
  for (const living of [process.pid, 2 ** 22 - 1])
    assert.ok((await programOf(living)).content.equals(readFileSync(HELPER)))
})
