/** README.md counts the places. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { REPO } from '../helpers/cli.js'

const dir = join(REPO, 'test/places')

test('README.md counts the places', () => {
  const text = readdirSync(dir).map((name) => readFileSync(join(dir, name), 'utf8'))
  const names = text.flatMap((t) => [...t.matchAll(/^place\(\s*(['"].*['"]),|^ {2}(['"].*['"]): \{$/gm)])
  const unique = new Set(names.map((m) => m[1] ?? m[2]))
  assert.equal(unique.size, names.length, 'each has a name of its own')
  assert.match(readFileSync(join(REPO, 'README.md'), 'utf8'), new RegExp(`\\b${names.length} places\\b`))
})
