/** docs/security.md lists the attacks, README.md counts them, scripts/defences.mjs takes their defences out: all agree. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { REPO } from '../helpers/cli.js'

const read = (path: string) => readFileSync(join(REPO, path), 'utf8')

/** `attack` and the files of its tests, as paths. */
const rows = read('docs/security.md')
  .split('## Attacks')[1]!
  .split('\n## ')[0]!
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| attack '))
  .map((line) => line.split(' | '))
  .map((cells) => ({
    id: cells[0]!.slice(2),
    files: [...cells.at(-1)!.matchAll(/`([^`]+)`/g)].map(([, name]) =>
      name!.includes('/') ? `${name}.test.ts` : `test/attacks/${name}.test.ts`,
    ),
  }))

test('each attack of docs/security.md has a test', () => {
  assert.equal(new Set(rows.map((r) => r.id)).size, rows.length, 'none is there twice')
  for (const { id, files } of rows) {
    assert.ok(files.length > 0, id)
    for (const file of files) {
      assert.ok(existsSync(join(REPO, file)), file)
      assert.ok(read(file).includes(id), `${file} has no test of "${id}"`)
    }
  }
})

test('each attack that is tested is in docs/security.md', () => {
  for (const name of readdirSync(join(REPO, 'test/attacks'))) {
    const file = `test/attacks/${name}`
    const ids = [...read(file).matchAll(/\battack(?:InModes)?\(\s*'([^']+)'/g)].map(([, id]) => id)
    for (const id of ids)
      assert.ok(
        rows.some((r) => r.id === id && r.files.includes(file)),
        `${file}: "${id}"`,
      )
  }
})

test('README.md counts the attacks', () => {
  assert.match(read('README.md'), new RegExp(`\\b${rows.length} attacks\\b`))
})

test('the defences that the mutations take out are there', () => {
  const checked = spawnSync(process.execPath, [join(REPO, 'scripts/mutate.mjs'), '--check'], { encoding: 'utf8' })
  assert.equal(checked.status, 0, checked.stderr)
})
