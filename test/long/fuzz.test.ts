/** A few seconds of the fuzzer: that it builds, that its inputs reach the decoders, that it finds nothing at once. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { REPO } from '../helpers/cli.js'
import { requireProgram } from '../helpers/programs.js'
import { tempDir } from '../helpers/temp.js'

test('what the helper decodes stands twenty seconds of fuzzing', (t) => {
  if (!requireProgram(t, 'clang', 'clang libclang-rt-dev')) return
  const dir = tempDir(t)
  const corpus = join(dir, 'corpus')
  mkdirSync(corpus)
  const args = [join(REPO, 'scripts/fuzz.mjs'), '--seconds', '20', '--corpus', corpus]
  const run = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  assert.equal(run.status, 0, run.stderr.split('\n').slice(-60).join('\n'))
  assert.deepEqual(readdirSync(join(dir, 'found')), [])
  // The seeds alone are 187, and reach most of what there is to reach.
  const coverage = Number(/.*cov: (\d+)/.exec(run.stderr.split('\n').findLast((l) => l.includes('cov: ')) ?? '')?.[1])
  assert.ok(coverage > 1000, `coverage ${coverage}`)
  assert.ok(readdirSync(corpus).length > 100)
})
