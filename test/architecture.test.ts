/** The floors of docs/architecture.md hold, and the check that says so fails where they would not. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

const repo = process.env.TSBOX_REPO ?? process.cwd()

interface Checker {
  checkImports(root: string, extra?: { file: string; text: string }[]): string[]
}

const checker = async () => (await import(pathToFileURL(join(repo, 'scripts/check-imports.mjs')).href)) as Checker

test('imports run downward only', async () => {
  assert.deepEqual((await checker()).checkImports(repo), [])
})

const faults: [what: string, file: string, text: string, fault: RegExp][] = [
  [
    'upward',
    'src/store/x.ts',
    "import { main } from '../cli/main.js'",
    /x\.ts:1: store \(floor 4\) may not import cli \(floor 8\)/,
  ],
  [
    'sideways',
    'src/store/x.ts',
    "import { Agent } from '../rootless/agent.js'",
    /store \(floor 4\) may not import rootless/,
  ],
  [
    'lazily upward',
    'src/oci/x.ts',
    "\nexport const f = () => import('../engine/open.js')",
    /x\.ts:2: oci .* may not import engine/,
  ],
  [
    'of Node in a portable folder',
    'src/build/graph/x.ts',
    "import { readFileSync } from 'node:fs'",
    /build is portable and may not import node:fs/,
  ],
  [
    'upward inside the builder',
    'src/build/graph/x.ts',
    "import { Solver } from '../solve/solver.js'",
    /build\/graph may not import build\/solve/,
  ],
]
for (const [what, file, text, fault] of faults)
  test(`an import ${what} is a fault`, async () => {
    const found = (await checker()).checkImports(repo, [{ file, text }])
    assert.equal(found.length, 1, found.join('\n'))
    assert.match(found[0]!, fault)
  })
