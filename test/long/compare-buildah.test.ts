import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { HAS_SUBIDS, REPO, requireBox, skip } from '../helpers/cli.js'
import { requireProgram } from '../helpers/programs.js'

/** What the script ends with where buildah is there but doesn't work for this user. */
const UNUSABLE = 77

test('tsbox builds what buildah builds, but for what is meant to differ', { timeout: 900_000 }, async (t) => {
  if (!(await requireBox(t))) return
  for (const [program, name] of [
    ['buildah', 'buildah'],
    ['runc', 'runc'],
    ['busybox', 'busybox-static'],
    ['bzip2', 'bzip2'],
    ['xz', 'xz-utils'],
    ['zstd', 'zstd'],
  ] as const)
    if (!requireProgram(t, program, name)) return
  if (!HAS_SUBIDS) return void skip(t, 'buildah needs subordinate ids to keep owners', { byDefinition: true })
  const script = join(REPO, 'scripts/compare-buildah.mjs')
  const run = spawnSync(process.execPath, [script], { encoding: 'utf8', maxBuffer: 1 << 28, timeout: 850_000 })
  if (run.status === UNUSABLE) return void skip(t, run.stderr.trim())
  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`)
  const count = Number(/^(\d+) Dockerfiles/m.exec(run.stdout)?.[1])
  assert.ok(count >= 40, run.stdout)
})
