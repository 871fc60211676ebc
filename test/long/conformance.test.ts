import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'

/** A folder with cases and what a reference made of them; where none is given there is nothing to compare with. */
const folder = process.env.TSBOX_CONFORMANCE
const tsbox = join(process.env.TSBOX_REPO ?? process.cwd(), 'bin/tsbox')

/** Least number of cases that must agree; docs/conformance.md explains the others. */
const suites: [name: string, command: string[], atLeast: number][] = [
  ['Dockerfiles parse, expand and are checked as by the reference', ['parse.py'], 773],
  // The contexts of three cases have a file that only root can read, so nobody else can copy them to begin with.
  ['Dockerfiles build as with the reference', ['build.py', '--exclude', 'conf-(092|093|097)-'], 253],
]

if (folder !== undefined)
  for (const [name, [script, ...args], atLeast] of suites)
    test(name, { timeout: 900_000 }, async () => {
      const scratch = mkdtempSync(join(tmpdir(), 'tsbox-conformance-'))
      try {
        const output = await run([join(folder, script!), ...args], scratch)
        const passed = Number(/^(\d+) passed, \d+ failed$/m.exec(output)?.[1] ?? Number.NaN)
        assert.ok(passed >= atLeast, `${passed} of at least ${atLeast} agreed:\n${output.slice(-4000)}`)
      } finally {
        await clean(scratch)
      }
    })

function run(command: readonly string[], scratch: string): Promise<string> {
  const env = { ...process.env, TSBOX: tsbox, TSBOX_ROOT: join(scratch, 'store'), CONF_TMP: join(scratch, 'work') }
  return new Promise((resolve, reject) => {
    const child = spawn('python3', command, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
    child.on('error', reject)
    child.on('close', () => resolve(output))
  })
}

/** The store has files of mapped users, which tsbox itself must remove. */
async function clean(scratch: string): Promise<void> {
  const env = { ...process.env, TSBOX_ROOT: join(scratch, 'store') }
  await new Promise((done) => spawn(tsbox, ['system', 'prune', '-a', '-f'], { env, stdio: 'ignore' }).on('close', done))
  spawn('chmod', ['-R', 'u+rwX', join(scratch, 'work')], { stdio: 'ignore' }).on('close', () =>
    rmSync(scratch, { recursive: true, force: true }),
  )
}
