/** Some of the defences are taken out, and their attacks succeed; `npm run test:mutate` does it with all. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { REPO, requireBox } from '../helpers/cli.js'

test('attacks succeed where their defence is gone', async (t) => {
  if (!(await requireBox(t))) return
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
  const ran = spawnSync(process.execPath, [join(REPO, 'scripts/mutate.mjs'), '--quick'], { encoding: 'utf8', env })
  assert.equal(ran.status, 0, ran.stdout + ran.stderr)
  assert.match(ran.stdout, /^(\d+) of \1 defences are missed/m)
})
