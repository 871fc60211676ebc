import assert from 'node:assert/strict'
import test from 'node:test'
import { hostWithBase } from '../../helpers/base-host.js'

const toRoot: [copy: string, path: string][] = [
  ['COPY --link a.txt /', 'a.txt 644 0:0'],
  ['COPY --link --chown=3:4 a.txt .', 'a.txt 644 3:4'],
  ['ADD --link a.txt /', 'a.txt 644 0:0'],
  ['COPY --link <<name /\nx\nname', 'name 644 0:0'],
  ['COPY --link a.txt b.txt /', 'b.txt 644 0:0'],
]
for (const [copy, path] of toRoot)
  test(`${copy.split('\n')[0]} puts the file into the root`, async () => {
    const host = await hostWithBase()
    const { paths } = await host.build(`FROM base\n${copy}\n`)
    assert.ok(paths.includes(path), paths.join('\n'))
  })
