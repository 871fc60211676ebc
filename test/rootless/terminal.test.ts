import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import type { StepStdio } from '../../src/rootless/plan.js'
import { requireProgram } from '../helpers/programs.js'
import { hostPlan, ID_MODES, openBox, processOf, requireUserns } from '../helpers/userns.js'

/** What the child is to do: it runs this file again, as tsbox would run with its terminal or pipes. */
interface Job {
  mode: string
  stdio: StepStdio
  script: string
  uid?: number
  /** Sizes to set once the payload says `ready`. */
  resize?: [columns: number, rows: number]
}

async function child(job: Job): Promise<void> {
  const ends: (() => unknown)[] = []
  const t = { after: (end: () => unknown) => ends.push(end), skip() {} } as unknown as TestContext
  const box = await openBox(t, ID_MODES.find((c) => c.mode === job.mode)!)
  const step = await box!.agent.startStep(hostPlan(box!), { stdio: job.stdio })
  if (process.stdin.isTTY) process.stdin.setRawMode(true)
  await step.exec(
    processOf(box!, ['sh', '-c', job.script], {
      size: { columns: 91, rows: 17 },
      uid: job.uid ?? 0,
      gid: job.uid ?? 0,
    }),
  )
  if (job.resize) setTimeout(() => step.resize(...job.resize!), 100)
  const exit = await step.exit
  if (process.stdin.isTTY) process.stdin.setRawMode(false)
  for (const end of ends) await end()
  process.stdout.write(`\nEND ${JSON.stringify(exit)}\n`)
  process.exit(0)
}

/** Runs a job, types `input` once `ready` is seen, and gives what came out. */
function run(job: Job, input: string | undefined): Promise<string> {
  const own = [process.execPath, process.argv[1]!]
  // Through a real pipe: what Node makes are sockets, which nobody can open again.
  const [command, args] =
    job.stdio.mode === 'tty'
      ? ['script', ['-qfec', own.join(' '), '/dev/null']]
      : ['sh', ['-c', '"$0" "$1" | cat', ...own]]
  const p = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TSBOX_TEST_JOB: JSON.stringify(job) },
  })
  let out = ''
  return new Promise((done) => {
    p.stdout.on('data', (chunk: Buffer) => {
      const before = out.includes('ready')
      out += chunk.toString('latin1')
      if (!before && out.includes('ready') && input !== undefined) p.stdin.write(input)
      if (out.includes('END {')) p.stdin.end()
    })
    p.on('close', () => done(out.replaceAll('\r\n', '\n')))
    if (job.stdio.mode !== 'tty') p.stdin.end(input ?? '')
  })
}

function tests(): void {
  for (const { mode } of ID_MODES) {
    const tty = { mode: 'tty', stdin: true } as const
    const cases: [name: string, job: Omit<Job, 'mode'>, input: string | undefined, expected: RegExp][] = [
      [
        'is a terminal of the container, of the size asked for',
        { stdio: tty, script: 'tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo three' },
        undefined,
        /^\/dev\/pts\/0\n17 91\nthree\n[\s\S]*END {"code":0}/,
      ],
      [
        'is the controlling terminal and the console',
        { stdio: tty, script: 'echo one >/dev/tty; echo two >/dev/console; ls -l /dev/console' },
        undefined,
        /^one\ntwo\ncrw[\s\S]*END {"code":0}/,
      ],
      ['belongs to the user', { stdio: tty, script: 'echo mine >/dev/pts/0', uid: 1000 }, undefined, /^mine\n/],
      [
        'takes input',
        { stdio: tty, script: 'stty -echo; echo ready; read x; echo "got $x"' },
        'hello\r',
        /ready\ngot hello\n[\s\S]*END {"code":0}/,
      ],
      [
        'turns control-C into a signal',
        { stdio: tty, script: 'echo ready; exec sleep 1000' },
        '\x03',
        /END {"signal":2}/,
      ],
      [
        'turns control-D into an end',
        { stdio: tty, script: 'echo ready; cat >/dev/null; echo over' },
        '\x04',
        /over\n[\s\S]*END {"code":0}/,
      ],
      [
        'tells of a new size',
        {
          stdio: tty,
          script: "trap 'stty size; exit 4' WINCH; echo ready; while :; do sleep 0.05; done",
          resize: [40, 9],
        },
        undefined,
        /9 40\n[\s\S]*END {"code":4}/,
      ],
      [
        'loses no output',
        { stdio: tty, script: 'seq 1 30000; exit 3' },
        undefined,
        /^1\n2\n[\s\S]*\n29999\n30000\n[\s\S]*END {"code":3}/,
      ],
      [
        'gets no input when it is not to',
        { stdio: { mode: 'tty', stdin: false }, script: 'echo ready; read -t 1 x || echo none' },
        'x\r',
        /none\n/,
      ],
    ]
    for (const [name, job, input, expected] of cases)
      test(`${mode}: a step's terminal ${name}`, async (t) => {
        if (!(await requireUserns(t)) || !requireProgram(t, 'script', 'bsdutils')) return
        assert.match(await run({ mode, ...job }, input), expected)
      })

    const inherited = { mode: 'inherit', stdin: true } as const
    const plain: typeof cases = [
      ['reads its input to the end', { stdio: inherited, script: 'wc -c' }, 'x'.repeat(100_000), /^100000\n/],
      ['has none when it is not to', { stdio: { mode: 'inherit', stdin: false }, script: 'wc -c' }, 'xx', /^0\n/],
      [
        'writes where tsbox does',
        { stdio: inherited, script: 'seq 1 50000; exit 6' },
        '',
        /^1\n[\s\S]*\n50000\n\nEND {"code":6}/,
      ],
      ['may open its output again', { stdio: inherited, script: 'echo again >/dev/stdout', uid: 1000 }, '', /^again\n/],
    ]
    for (const [name, job, input, expected] of plain)
      test(`${mode}: a step with inherited streams ${name}`, async (t) => {
        if (!(await requireUserns(t))) return
        assert.match(await run({ mode, ...job }, input), expected)
      })
  }
}

if (process.env.TSBOX_TEST_JOB) void child(JSON.parse(process.env.TSBOX_TEST_JOB))
else tests()
