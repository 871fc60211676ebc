import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { liveClaim, tryClaim } from '../../src/util/claim.js'
import { bootId, formatIdentity, isAlive, parseIdentity, selfIdentity, startTimeOf } from '../../src/util/identity.js'
import { tempDir } from '../helpers/temp.js'

test('this process is alive, a dead one and one of another boot are not', () => {
  const self = selfIdentity()
  assert.ok(isAlive(self))
  assert.ok(!isAlive({ ...self, startTime: self.startTime - 1 }))
  assert.ok(!isAlive({ ...self, bootId: 'f'.repeat(32) }))
  const { pid } = spawnSync('true')
  assert.equal(startTimeOf(pid!), undefined)
  assert.deepEqual(parseIdentity(`${formatIdentity(self)}-rest`), self)
  assert.equal(parseIdentity('gc.claim'), undefined)
})

test('a killed process that nobody reaped is dead', async () => {
  // sh execs into sleep and never reaps the child that it started before.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  while (startTimeOf(pid) !== undefined) await new Promise((resolve) => setTimeout(resolve, 5))
  parent.kill()
})

test('a claim is held once, also by the same process', (t) => {
  const path = join(tempDir(t), 'made/on/demand/claim')
  const claim = tryClaim(path)
  assert.ok(claim)
  assert.equal(tryClaim(path), undefined)
  assert.ok(liveClaim(path))
  claim.release()
  claim.release()
  assert.equal(liveClaim(path), undefined)
  const next = tryClaim(path)
  assert.ok(next)
  // The first holder's late release must not take the second one's claim.
  claim.release()
  assert.ok(liveClaim(path))
  next.release()
})

const stale = (tail: string) => `${formatIdentity({ ...selfIdentity(), startTime: 1 })}-${tail}`
const leftovers: [what: string, make: (path: string) => void][] = [
  ['a dead process', (path) => symlinkSync(stale('0123456789abcdef'), path)],
  ['another boot', (path) => symlinkSync(`1-1-${'e'.repeat(32)}-0123456789abcdef`, path)],
  ['a file that is no claim', (path) => writeFileSync(path, '')],
  [
    'a dead process, half removed by another dead one',
    (path) => {
      symlinkSync(stale('0123456789abcdef'), path)
      symlinkSync(stale('fedcba9876543210'), `${path}.0123456789abcdef`)
    },
  ],
]
for (const [what, make] of leftovers)
  test(`a claim of ${what} is replaced`, (t) => {
    const dir = tempDir(t)
    const path = join(dir, 'claim')
    make(path)
    const claim = tryClaim(path)
    assert.ok(claim)
    claim.release()
    assert.deepEqual(readdirSync(dir), [])
  })

test('bootId() is the kernel’s', () => {
  assert.match(bootId(), /^[0-9a-f]{32}$/)
})
