import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { removeOwnTree } from '../../src/util/remove-tree.js'

/** A folder that goes with the test. */
export function tempDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-test-'))
  t.after(() => {
    if (!removeOwnTree(dir)) throw new Error(`${dir} can't be removed`)
  })
  return dir
}
