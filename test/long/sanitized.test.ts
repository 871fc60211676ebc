/** The helper with AddressSanitizer and UndefinedBehaviorSanitizer in it: its own tests, and those of containers. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { REPO } from '../helpers/cli.js'
import { requireProgram, runProgram } from '../helpers/programs.js'
import { tempDir } from '../helpers/temp.js'

const OUT = 'dist-test-sanitized'
const dir = mkdtempSync(join(tmpdir(), 'tsbox-sanitized-'))
before(() => runProgram(process.execPath, [join(REPO, 'scripts/build-native.mjs'), '--sanitize', dir]))
after(() => rmSync(dir, { recursive: true, force: true }))

for (const only of ['rootless/', 'integration/containers', 'integration/exec', 'integration/run'])
  test(`no sanitizer has a word to say in ${only}`, (t) => {
    if (!requireProgram(t, 'gcc')) return
    const words = tempDir(t)
    t.after(() => rmSync(join(REPO, OUT), { recursive: true, force: true }))
    const run = spawnSync(process.execPath, [join(REPO, 'scripts/test.mjs'), '--only', only], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      env: {
        ...process.env,
        NODE_TEST_CONTEXT: undefined,
        TSBOX_HELPER: join(dir, 'tsbox-helper'),
        TSBOX_TEST_OUT: OUT,
        ASAN_OPTIONS: `detect_leaks=0:log_path=${words}/asan`,
        UBSAN_OPTIONS: `print_stacktrace=1:log_path=${words}/ubsan`,
      },
    })
    const said = readdirSync(words).map((n) => readFileSync(join(words, n), 'utf8'))
    assert.deepEqual(said, [])
    assert.equal(run.status, 0, `${run.stdout.split('\n').slice(-60).join('\n')}${run.stderr}`)
  })
