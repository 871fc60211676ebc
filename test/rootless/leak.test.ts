import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import {
  hostPlan,
  ID_MODES,
  isAlive,
  openBox,
  processOf,
  processTree,
  requireUserns,
  until,
} from '../helpers/userns.js'

/** What the child does: the same file, started again, runs a step until something ends it. */
async function child(mode: string): Promise<void> {
  const t = { after() {}, skip() {} } as unknown as TestContext
  const box = await openBox(t, ID_MODES.find((c) => c.mode === mode)!)
  process.stdout.write(`dir ${box!.dir}\n`)
  const step = await box!.agent.startStep(hostPlan(box!), { stdio: { mode: 'frames', stdin: false } })
  const script = 'sleep 1000 & setsid sleep 1000 & echo x >/tmp/f; while :; do sleep 0.01; done'
  await step.exec(processOf(box!, ['sh', '-c', script]))
  process.stdout.write('running\n')
  const ended = await step.exit.then(
    () => 'exit',
    (err) => err.message,
  )
  process.stdout.write(`ended ${ended}\n`)
  await box!.agent.close()
  process.exit(0)
}

interface Victims {
  process: ChildProcess
  output(): string
}

function startChild(t: TestContext, mode: string): Victims {
  const p = spawn(process.execPath, [process.argv[1]!], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TSBOX_TEST_MODE: mode },
    // A session of its own, by which the helper's processes are known.
    detached: true,
  })
  // A test that fails leaves nothing either.
  t.after(() => p.kill('SIGKILL'))
  let out = ''
  p.stdout!.on('data', (chunk: Buffer) => {
    out += chunk
  })
  return { process: p, output: () => out }
}

/** Living processes of a session. */
function session(id: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!pid) return false
      try {
        const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
        return Number(fields[3]) === id && !'ZX'.includes(fields[0]!)
      } catch {
        return false
      }
    })
}

/** What the killed child could not remove. */
async function removeLeftovers(t: TestContext, mode: string, output: string): Promise<void> {
  const dir = /^dir (.*)$/m.exec(output)?.[1]
  const box = dir ? await openBox(t, ID_MODES.find((c) => c.mode === mode)!) : undefined
  await box?.agent.remove([dir!])
}

/** Numbers of a seed, always the same. @see xorshift32 */
function random(seed: number): (below: number) => number {
  let x = seed
  return (below) => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
}

/** A test that waits for the end of what does not end fails. */
const LIMIT = { timeout: 120_000 }
const ROLES = ['tsbox', 'agent', 'worker', 'init', 'payload']

function tests(): void {
  for (const { mode } of ID_MODES) {
    for (const [depth, role] of ROLES.entries())
      test(`${mode}: nothing is left when the ${role} is killed`, LIMIT, async (t) => {
        if (!(await requireUserns(t))) return
        const victims = startChild(t, mode)
        await until(() => victims.output().includes('running'))
        // With both sleepers.
        await until(() => processTree(victims.process.pid!).length > ROLES.length + 1)
        const tree = processTree(victims.process.pid!)
        process.kill(tree[depth]!, 'SIGKILL')
        await until(() => !tree.some(isAlive))
        if (role !== 'tsbox') assert.match(victims.output(), /ended (exit|.*unexpectedly)/)
        await removeLeftovers(t, mode, victims.output())
      })

    test(`${mode}: nothing is left when any process is killed at any moment`, LIMIT, async (t) => {
      if (!(await requireUserns(t))) return
      const seed = Number(process.env.TSBOX_TEST_SEED ?? (Date.now() % 100000) + 1)
      t.diagnostic(`TSBOX_TEST_SEED=${seed}`)
      const next = random(seed)
      for (let round = 0; round < 10; round++) {
        const victims = startChild(t, mode)
        await new Promise((done) => setTimeout(done, 40 + next(60)))
        const tree = processTree(victims.process.pid!)
        const victim = tree[next(tree.length)]!
        try {
          process.kill(victim, 'SIGKILL')
        } catch {}
        // Whoever was not hit and has not noticed yet ends with tsbox.
        try {
          process.kill(victims.process.pid!, 'SIGKILL')
        } catch {}
        await until(() => !tree.some(isAlive) && session(victims.process.pid!).length === 0)
        await removeLeftovers(t, mode, victims.output())
      }
    })
  }
}

if (process.env.TSBOX_TEST_MODE) void child(process.env.TSBOX_TEST_MODE)
else tests()
