/**
 * Starts the helper, and bubblewrap, in turn: from the spawn to the first byte that a program writes inside. Both make
 * user, mount, pid, ipc, uts, cgroup and network namespaces with one mapped id, the same root, /proc and /dev.
 *
 *     node enter-driver.mjs HELPER ROOT WORK ROUNDS   prints { "helper": [ms…], "bwrap": [ms…] }
 */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Agent } from '../../src/rootless/agent.js'
import { DEFAULT_CAPABILITIES } from '../../src/rootless/capability.js'
import type { StepPlan } from '../../src/rootless/plan.js'

const [helper, root, work, rounds] = process.argv.slice(2) as [string, string, string, string]
const PROGRAM = ['/bin/busybox', 'echo', 'x']

mkdirSync(join(work, 'mnt'), { recursive: true })
const plan: StepPlan = {
  root: join(work, 'mnt'),
  network: 'own',
  ops: [
    { op: 'root', layers: [root] },
    { op: 'proc', target: '/proc' },
    { op: 'dev', target: '/dev' },
    { op: 'loopback' },
  ],
}

const since = (start: bigint) => Number(process.hrtime.bigint() - start) / 1e6

async function byHelper(): Promise<number> {
  const start = process.hrtime.bigint()
  const agent = await Agent.start({ helperPath: helper, mode: 'single', maps: { method: 'single' }, lanes: 1 })
  let ms = Number.NaN
  const onOutput = () => {
    ms = since(start)
  }
  const step = await agent.startStep(plan, { stdio: { mode: 'frames', stdin: false }, onOutput })
  await step.exec({
    args: PROGRAM,
    env: ['PATH=/bin'],
    cwd: '/',
    uid: 0,
    gid: 0,
    groups: [],
    capabilities: DEFAULT_CAPABILITIES,
    noNewPrivileges: true,
  })
  const exit = await step.exit
  await agent.close()
  if (!Number.isFinite(ms)) throw new Error(`nothing was written: ${JSON.stringify(exit)}`)
  return ms
}

async function byBubblewrap(): Promise<number> {
  const start = process.hrtime.bigint()
  const mounts = ['--ro-bind', root, '/', '--proc', '/proc', '--dev', '/dev']
  const child = spawn('bwrap', ['--unshare-all', ...mounts, ...PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] })
  let ms = Number.NaN
  child.stdout.on('data', () => {
    ms = since(start)
  })
  await new Promise((done) => child.on('close', done))
  if (!Number.isFinite(ms)) throw new Error('bwrap wrote nothing')
  return ms
}

const times: Record<'helper' | 'bwrap', number[]> = { helper: [], bwrap: [] }
for (let i = -2; i < Number(rounds); i++) {
  const order = [['helper', byHelper] as const, ['bwrap', byBubblewrap] as const]
  for (const [name, run] of i % 2 ? order : order.reverse()) {
    const ms = await run()
    if (i >= 0) times[name].push(ms)
  }
}
console.log(JSON.stringify(times))
