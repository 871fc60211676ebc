/** What a container in the background costs that does nothing. */
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, before, test } from 'node:test'
import { HAS_SUBIDS, makeBase, processesOf, requireBox, sharedCli } from '../helpers/cli.js'

const cli = sharedCli()
before(() => makeBase(cli, []))
afterEach(() => {
  cli.run(['rm', '-f', 'idle'])
})

/** Monitor and init together, in kB of PSS; glibc has more that is its own. @see proc_pid_smaps(5) */
const helper = readFileSync(join(process.env.TSBOX_REPO ?? process.cwd(), 'dist/tsbox-helper'), 'latin1')
const LIMIT = helper.includes('glibc') ? 600 : 120

/** kB of a process alone and of its part in what it shares; NaN when it is gone. */
function pss(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])
  } catch {
    return Number.NaN
  }
}

const helpers = () => processesOf(cli).filter((p) => p.command.startsWith('tsbox-helper'))

/** Waits until the helpers have given back what they can have again, which takes them a second of quiet. */
async function settles(): Promise<void> {
  const end = Date.now() + 60_000
  for (;;) {
    const sizes = helpers().map((p) => pss(p.pid))
    const found = sizes.map((kb) => `${kb} kB`)
    if (sizes.length === 2 && sizes[0]! + sizes[1]! <= LIMIT) return
    assert.ok(Date.now() < end, `monitor and init have ${found.join(' and ')}, more than ${LIMIT} kB`)
    await new Promise((done) => setTimeout(done, 200))
  }
}

for (const mode of HAS_SUBIDS ? ['subid', 'single'] : ['single'])
  test(`a container that does nothing costs at most ${LIMIT} kB beside its program, in ${mode} mode`, async (t) => {
    if (!(await requireBox(t))) return
    const script = 'i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; exec sleep 1000'
    cli.ok(['run', '-d', '--name', 'idle', `--userns=${mode}`, 'base', 'sh', '-c', script])
    await settles()
    // Also after it was made to work: it gives back again.
    assert.equal(cli.ok(['exec', 'idle', 'sh', '-c', 'echo out']), 'out\n')
    assert.match(cli.ok(['logs', 'idle']), /line 199\n$/)
    await settles()
    assert.equal(cli.ok(['exec', 'idle', 'sh', '-c', 'echo again']), 'again\n')
  })

test('containers have the program of the helper in memory once', async (t) => {
  if (!(await requireBox(t))) return
  const names = ['idle', 'idle-2', 'idle-3']
  t.after(() => cli.run(['rm', '-f', ...names]))
  const programs = names.map((name) => {
    const before = new Set(helpers().map((p) => p.pid))
    cli.ok(['run', '-d', '--name', name, 'base', 'sleep', '1000'])
    const fresh = helpers().filter((p) => !before.has(p.pid))
    assert.equal(fresh.length, 2)
    return fresh.map((p) => statSync(`/proc/${p.pid}/exe`).ino)
  })
  assert.equal(new Set(programs.flat()).size, 1)
  // Also when the one that began it is gone.
  cli.ok(['rm', '-f', 'idle'])
  cli.ok(['run', '-d', '--name', 'idle', 'base', 'sleep', '1000'])
  assert.equal(cli.ok(['exec', 'idle', 'sh', '-c', 'echo out']), 'out\n')
})
