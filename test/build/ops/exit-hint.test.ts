import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exitHint } from '../../../src/build/ops/exit-hint.js'

const cases: [exitCode: number, outOfMemory: boolean, hint: RegExp | undefined][] = [
  [1, false, undefined],
  [2, true, /for want of memory while the step ran/],
  [126, false, /can't be executed/],
  [127, false, /a command was not found/],
  [137, false, /killed by SIGKILL: by hand/],
  [137, true, /^killed by SIGKILL: out of memory\?/],
  [139, false, /SIGSEGV/],
  [143, false, /SIGTERM/],
  [200, false, undefined],
]

for (const [exitCode, outOfMemory, hint] of cases) {
  test(`exitHint() of ${exitCode}${outOfMemory ? ', out of memory' : ''}`, () => {
    const text = exitHint({ exitCode, outOfMemory })
    if (hint) assert.match(text ?? '', hint)
    else assert.equal(text, undefined)
  })
}
