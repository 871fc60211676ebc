import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { packageHint, subidHint } from '../../src/rootless/doctor-mend.js'
import { DOCTOR_MESSAGES, DOCTOR_TITLES, type DoctorMessage, doctorFact } from '../../src/rootless/doctor-messages.js'
import { probeMachine } from '../../src/rootless/doctor-probe.js'
import { REFUSAL_REASONS } from '../../src/rootless/refusal.js'
import { REPO } from '../helpers/cli.js'
import { tempDir } from '../helpers/temp.js'
import { HELPER, ID_MODES, requireUserns } from '../helpers/userns.js'

test('probeMachine() finds the mode that steps get, and leaves nothing behind', async (t) => {
  if (!(await requireUserns(t))) return
  const dir = tempDir(t)
  const { facts, userns } = await probeMachine({ helperPath: HELPER, dir, env: process.env })
  assert.equal(userns, ID_MODES[0]!.mode)
  assert.deepEqual(readdirSync(dir), [])
  const state = (id: string) => facts.find((f) => f.id === id)?.state
  assert.equal(state('userns'), 'ok')
  assert.equal(state('overlay'), 'ok')
  assert.equal(state('subid'), userns === 'subid' ? 'ok' : 'missing')
  assert.equal(new Set(facts.map((f) => f.id)).size, facts.length)
  for (const f of facts) if (f.state === 'missing') assert.ok(f.cost, f.id)
})

test('probeMachine() names what is missing and the command that mends it', async (t) => {
  if (!(await requireUserns(t)) || ID_MODES[0]!.mode === 'subid') return
  const { facts } = await probeMachine({ helperPath: HELPER, dir: tempDir(t), env: process.env })
  assert.match(facts.find((f) => f.id === 'subid')!.mend!, /usermod --add-subuids|install/)
})

test('probeMachine() tells a missing helper from a missing namespace', async (t) => {
  const options = { helperPath: '/nowhere/tsbox-helper', dir: tempDir(t), env: process.env }
  const { facts, userns } = await probeMachine(options)
  assert.equal(userns, 'none')
  const fact = facts.find((f) => f.id === 'userns')!
  assert.equal(fact.state, 'missing')
  assert.match(fact.detail, /start helper.*ENOENT/)
  assert.equal(fact.mend, 'npm run build')
})

const systems: [release: string, command: string][] = [
  ['ID=debian', 'sudo apt-get install uidmap'],
  ['ID=linuxmint\nID_LIKE="ubuntu debian"', 'sudo apt-get install uidmap'],
  ['ID="rocky"\nID_LIKE="rhel centos fedora"', 'sudo dnf install shadow-utils'],
  ['ID=alpine', 'sudo apk add shadow-subids'],
  ['', 'sudo apt-get install uidmap'],
]
for (const [release, command] of systems)
  test(`packageHint() says "${command}" to ${JSON.stringify(release)}`, () => {
    assert.equal(packageHint('newuidmap', release), command)
  })

test('subidHint() names the user, or the uid of one without a name', () => {
  assert.match(subidHint({ uid: 7, gid: 7, name: 'ann' }, ''), / 100000-165535 ann$/)
  assert.match(subidHint({ uid: 7, gid: 7 }, ''), / 7$/)
})

test('subidHint() takes ids that nobody has', () => {
  const taken = 'bob:100000:65536\ncleo:200000:10\nnonsense\n'
  assert.match(subidHint({ uid: 7, gid: 7 }, taken), /--add-subuids 200010-265545 /)
})

/** A table of docs/doctor.md as the words of its cells. */
const documented = readFileSync(join(REPO, 'docs/doctor.md'), 'utf8')
const rows = documented
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))
const plain = (text: string) => text.replace(/[{}]/g, '')

for (const [key, message] of Object.entries<DoctorMessage>(DOCTOR_MESSAGES))
  test(`docs/doctor.md has the message ${key}, and what mends it`, () => {
    const row = rows.find(([state, says]) => state === message.state && says === plain(message.says))
    assert.ok(row, `| ${message.state} | ${plain(message.says)} |`)
    const mends = rows
      .filter(([state, says]) => state === message.state && says === plain(message.says))
      .map((r) => r[2]!)
    if (message.state === 'missing')
      assert.ok(
        mends.every((m) => m.length > 3),
        'a remedy',
      )
    if (message.mend)
      assert.ok(
        mends.some((m) => m.includes(plain(message.mend!)) || m === 'the same'),
        plain(message.mend),
      )
  })

for (const [key, reason] of Object.entries(REFUSAL_REASONS))
  test(`docs/doctor.md has the reason "${key}" for which there are no user namespaces`, () => {
    assert.ok(
      rows.some(([says, mend]) => says === plain(reason) && mend!.length > 3),
      plain(reason),
    )
  })

test('every line of the doctor has messages, and none has a hole that nobody fills', () => {
  const lines = new Set(Object.keys(DOCTOR_MESSAGES).map((key) => key.split('.')[0]))
  assert.deepEqual([...lines].sort(), Object.keys(DOCTOR_TITLES).sort())
  const fact = doctorFact('cgroup.closed', { path: '/sys/fs/cgroup', errno: 'EACCES' })
  assert.equal(fact.detail, '/sys/fs/cgroup: EACCES')
  assert.equal(fact.title, 'Delegated cgroup (v2)')
})
