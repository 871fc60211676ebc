import assert from 'node:assert/strict'
import type { Cli, Ran } from './cli.js'

/** What must be said: exactly one error, its place, its hint. */
export interface Expected {
  code: number
  message: RegExp
  /** Line of the Dockerfile that is shown with `>>>`. */
  line?: number
  hint?: RegExp
}

/** One error, told as it should be, and no stack. */
export function assertFailed(ran: Ran, expected: Expected): void {
  const all = ran.stdout + ran.stderr
  assert.equal(ran.code, expected.code, all)
  assert.match(ran.stderr, expected.message)
  assert.doesNotMatch(all, /BUG|^ +at .*:\d+:\d+\)?$/m, 'no stack')
  const errors = ran.stderr.match(/^(ERROR: |tsbox: )/gm) ?? []
  assert.equal(errors.length, 1, `one error, not ${errors.length}:\n${all}`)
  if (expected.line !== undefined) {
    assert.match(ran.stderr, new RegExp(`^Dockerfile:${expected.line}$`, 'm'))
    assert.match(ran.stderr, new RegExp(`^ *${expected.line} \\| >>> `, 'm'))
  }
  if (expected.hint) {
    // A wrong command line has its hint below the message, everything else behind `hint:`.
    const hint = /^(?:hint|tsbox): .*(?:\n.*)?$/gm
    assert.match((ran.stderr.match(hint) ?? []).join('\n'), expected.hint)
  }
}

/** The same, and the store is after it what it was before. */
export function assertNothingLeft(cli: Cli, run: () => Ran, expected: Expected): void {
  const images = cli.images()
  const containers = cli.names('containers')
  const ran = run()
  assertFailed(ran, expected)
  assert.deepEqual(cli.images(), images, 'no image more, none less')
  assert.deepEqual(cli.names('containers'), containers, 'no container more')
  assert.deepEqual(cli.leftovers(), [])
}
