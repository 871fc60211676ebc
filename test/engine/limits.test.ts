/** Limits that can be given, told from those that this process has. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Ulimit } from '../../src/engine/api.js'
import { checkLimits } from '../../src/engine/run/limits.js'
import { RLIMITS, type RlimitName } from '../../src/rootless/plan.js'

const NONE = Number.POSITIVE_INFINITY
const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max core file size        0                    unlimited            bytes
Max processes             100                  200                  processes
Max open files            1024                 4096                 files
`

const fine: Ulimit[] = [
  { name: 'cpu', soft: NONE, hard: NONE },
  { name: 'core', soft: 5, hard: NONE },
  { name: 'nproc', soft: 200, hard: 200 },
  { name: 'nofile', soft: 0, hard: 4096 },
]
for (const limit of fine)
  test(`checkLimits() lets ${limit.name} be ${limit.hard}`, () => {
    checkLimits([limit], LIMITS)
  })

const refused: [Ulimit, RegExp][] = [
  [{ name: 'nproc', soft: 1, hard: 201 }, /set ulimit nproc: 201 is more than this user may have, 200/],
  [
    { name: 'nofile', soft: 1, hard: NONE },
    /set ulimit nofile: -1 \(unlimited\) is more than this user may have, 4096/,
  ],
]
for (const [limit, message] of refused)
  test(`checkLimits() refuses ${limit.name} of ${limit.hard}`, () => {
    assert.throws(() => checkLimits([limit], LIMITS), { code: 'E_ULIMIT', message, exitCode: 125 })
  })

test('checkLimits() finds every limit in what the kernel writes', () => {
  const text = readFileSync('/proc/self/limits', 'utf8')
  for (const name of Object.keys(RLIMITS) as RlimitName[]) {
    checkLimits([{ name, soft: 0, hard: 0 }], text)
    // One that is not found would count as unlimited.
    const none = () => checkLimits([{ name, soft: 0, hard: NONE }], text.replace(/unlimited/g, '7'))
    assert.throws(none, { code: 'E_ULIMIT' }, name)
  }
})
