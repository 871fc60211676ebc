/** D-Bus: bytes of values, and calls on a real bus. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DBusConnection, DBusError, socketsOf } from '../../src/util/dbus/connection.js'
import { completeTypes, type DBusValue, MarshalReader, MarshalWriter } from '../../src/util/dbus/marshal.js'
import { requireProgram } from '../helpers/programs.js'

test('a signature is split into single complete types', () => {
  assert.deepEqual(completeTypes('ssa(sv)a(sa(sv))a{sv}ay'), ['s', 's', 'a(sv)', 'a(sa(sv))', 'a{sv}', 'ay'])
  for (const wrong of ['z', 'a', '(s', '{sv', ')']) assert.throws(() => completeTypes(wrong), /no D-Bus signature/)
})

const values: [signature: string, values: DBusValue[]][] = [
  ['ybiuxt', [7, true, -5, 4_000_000_000, 5n, 18_446_744_073_709_551_615n]],
  ['sog', ['häuser', '/org/x', 'a(sv)']],
  ['as', [[]]],
  ['yat', [1, [2n, 3n]]],
  [
    'a(sv)',
    [
      [
        ['PIDs', { signature: 'au', value: [1, 2] }],
        ['Delegate', { signature: 'b', value: true }],
      ],
    ],
  ],
  ['a{sv}s', [[['k', { signature: 's', value: 'v' }]], 'after']],
]
for (const [signature, list] of values)
  test(`what is written as ${signature} is read as that`, () => {
    const bytes = new MarshalWriter().putAll(signature, list).bytes()
    assert.deepEqual(new MarshalReader(bytes, true).takeAll(signature), list)
  })

test('values are aligned as the specification says', () => {
  // A byte, padding to four, a length, padding to eight that it does not count, the element.
  const bytes = new MarshalWriter().putAll('yat', [1, [2n]]).bytes()
  assert.equal(bytes.toString('hex'), '01000000080000000200000000000000')
})

test('a message that ends too early is refused', () => {
  const bytes = Buffer.from(new MarshalWriter().putAll('s', ['abcdef']).bytes().subarray(0, 8))
  assert.throws(() => new MarshalReader(bytes, true).takeAll('s'), RangeError)
})

test('an address names its sockets', () => {
  const address = 'tcp:host=x;unix:path=/run/user/1%20000/bus,guid=ab;unix:abstract=/tmp/x'
  assert.deepEqual(socketsOf(address), ['/run/user/1 000/bus', '\0/tmp/x'])
})

/** @returns path of its socket */
async function bus(t: TestContext): Promise<string | undefined> {
  if (!requireProgram(t, 'dbus-daemon', 'dbus')) return undefined
  const dir = mkdtempSync(join(tmpdir(), 'tsbox-dbus-'))
  const address = `unix:path=${join(dir, 'bus')}`
  const child = spawn('dbus-daemon', ['--session', '--nofork', '--print-address', `--address=${address}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.after(() => {
    child.kill()
    rmSync(dir, { recursive: true, force: true })
  })
  await new Promise((done) => child.stdout.once('data', done))
  return join(dir, 'bus')
}
const DBUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' }

test('a real bus answers calls, and errors by their names', async (t) => {
  const path = await bus(t)
  if (path === undefined) return
  const connection = await DBusConnection.connect(path, true, process.getuid!())
  const [names] = await connection.call({ ...DBUS, member: 'ListNames' })
  assert.ok((names as string[]).includes('org.freedesktop.DBus'))
  const [has] = await connection.call({
    ...DBUS,
    member: 'NameHasOwner',
    signature: 's',
    args: ['org.freedesktop.DBus'],
  })
  assert.equal(has, true)
  await assert.rejects(
    connection.call({ ...DBUS, member: 'GetNameOwner', signature: 's', args: ['a.b'] }),
    (err: DBusError) => err instanceof DBusError && err.errorName === 'org.freedesktop.DBus.Error.NameHasNoOwner',
  )
  connection.close()
})

test('who is somebody else is not let in', async (t) => {
  const path = await bus(t)
  if (path === undefined) return
  await assert.rejects(DBusConnection.connect(path, true, 1 + process.getuid!()), /D-Bus: (not let in|the connection)/)
  await assert.rejects(DBusConnection.connect(`${path}-none`, true, 0), /ENOENT/)
})
