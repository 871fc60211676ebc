import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { dirAt, runWasm } from './run.js'

const fixtures = join(process.env.TSBOX_REPO ?? '.', 'fixtures/wasi')

test('a program against the C library sees the file system that Linux shows it', () => {
  const ran = runWasm(readFileSync(join(fixtures, 'posix.wasm')), [dirAt('work')], { cwd: '/work' })
  assert.equal(ran.stdout, readFileSync(join(fixtures, 'posix.txt'), 'utf8'))
  assert.deepEqual([ran.exitCode, ran.stderr, ran.names], [7, '', ['dir work']])
})
