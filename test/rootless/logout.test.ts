/** What systemd-logind is configured to do with processes of a session that ends. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { endsAtLogout, logoutFact } from '../../src/rootless/logout.js'

const SESSION = '0::/user.slice/user-1000.slice/session-3.scope\n'
const roots: string[] = []
after(() => {
  for (const root of roots) rmSync(root, { recursive: true })
})

function machine(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'tsbox-logout-'))
  roots.push(root)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

test('only what is configured to end processes does', () => {
  const user = userInfo().username
  const conf = (text: string) => ({ 'proc/self/cgroup': SESSION, 'etc/systemd/logind.conf': `[Login]\n${text}\n` })
  const ends = (files: Readonly<Record<string, string>>) => endsAtLogout(machine(files)) !== undefined
  assert.equal(ends({}), false)
  assert.equal(ends(conf('#KillUserProcesses=yes')), false)
  assert.equal(ends(conf('KillUserProcesses=yes')), true)
  assert.equal(ends({ ...conf('KillUserProcesses=yes'), 'proc/self/cgroup': '0::/system.slice/cron.service\n' }), false)
  assert.equal(ends({ ...conf('KillUserProcesses=yes'), [`var/lib/systemd/linger/${user}`]: '' }), false)
  assert.equal(
    ends({ ...conf('KillUserProcesses=yes'), 'etc/systemd/logind.conf.d/9.conf': 'KillUserProcesses=no' }),
    false,
  )
  assert.equal(ends({ ...conf(''), 'run/systemd/logind.conf.d/1.conf': 'KillUserProcesses = true' }), true)
  assert.equal(ends(conf(`KillUserProcesses=yes\nKillExcludeUsers=root ${user}`)), false)
  assert.equal(ends(conf('KillUserProcesses=yes\nKillOnlyUsers=somebody')), false)
  assert.equal(ends(conf(`KillUserProcesses=yes\nKillOnlyUsers=${user}`)), true)
})

test('doctor names what mends it', () => {
  const root = machine({ 'proc/self/cgroup': SESSION, 'etc/systemd/logind.conf': 'KillUserProcesses=yes\n' })
  const fact = logoutFact(root)
  assert.deepEqual([fact.state, fact.mend], ['missing', `loginctl enable-linger ${userInfo().username}`])
  assert.equal(logoutFact(machine({})).state, 'ok')
})
