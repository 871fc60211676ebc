/** The C helper by both compilers, and for both machines that a package serves: no warning is left. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { requireProgram } from '../helpers/programs.js'

const REPO = process.env.TSBOX_REPO ?? process.cwd()
const NATIVE = join(REPO, 'src/rootless/native')
/** As scripts/build-native.mjs has them. */
const WARNINGS = /export const WARNINGS = \[(.*?)^\]/ms
  .exec(readFileSync(join(REPO, 'scripts/build-native.mjs'), 'utf8'))![1]!
  .match(/-[^']+(?=')/g)!
const CROSS = 'aarch64-linux-gnu-gcc'
const PACKAGES = { gcc: 'gcc', clang: 'clang', [CROSS]: 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross' }

const sources = (dir: string) =>
  readdirSync(dir)
    .filter((n) => n.endsWith('.c'))
    .map((n) => join(dir, n))

for (const [compiler, pkg] of Object.entries(PACKAGES))
  test(`${compiler} has nothing to warn of`, (t) => {
    if (!requireProgram(t, compiler, pkg)) return
    assert.ok(WARNINGS.includes('-Wconversion'))
    const files = [...sources(NATIVE), ...(compiler === CROSS ? [] : sources(join(NATIVE, 'test')))]
    const args = [...WARNINGS, '-Werror', '-fsyntax-only', '-I', NATIVE, ...files]
    const run = spawnSync(compiler, args, { encoding: 'utf8' })
    assert.equal(run.status, 0, run.stderr)
  })
