import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { test } from 'node:test'
import { withStore } from '../helpers/store.js'

const soon = () => new Promise((resolve) => setTimeout(resolve, 60))

test('shared cache mounts are one folder at once', async (t) => {
  const { store } = withStore(t)
  const a = await store.mounts.acquire({ id: 'x', sharing: 'shared', mode: 'subid' })
  assert.ok(a.fresh)
  mkdirSync(a.dir)
  const b = await store.mounts.acquire({ id: 'x', sharing: 'shared', mode: 'subid' })
  assert.equal(a.dir, b.dir)
  assert.ok(!b.fresh)
  const c = await store.mounts.acquire({ id: 'x', sharing: 'shared', mode: 'single' })
  assert.notEqual(c.dir, a.dir)
})

test('private cache mounts are one for each user, and used again', async (t) => {
  const { store } = withStore(t)
  const acquire = () => store.mounts.acquire({ id: 'x', sharing: 'private', mode: 'subid' })
  const a = await acquire()
  const b = await acquire()
  assert.notEqual(a.dir, b.dir)
  a.release()
  assert.equal((await acquire()).dir, a.dir)
})

test('a locked cache mount waits for the other users, and they for it', async (t) => {
  const { store } = withStore(t)
  const log: string[] = []
  const acquire = async (name: string, sharing: 'shared' | 'locked') => {
    const mount = await store.mounts.acquire({ id: 'x', sharing, mode: 'subid' })
    log.push(name)
    return mount
  }
  const first = await acquire('shared', 'shared')
  const second = acquire('locked', 'locked')
  await soon()
  const third = acquire('shared again', 'shared')
  await soon()
  assert.deepEqual(log, ['shared'])
  first.release()
  const lock = await second
  await soon()
  assert.deepEqual(log, ['shared', 'locked'])
  lock.release()
  ;(await third).release()
})

test('waiting for a cache mount can be given up', async (t) => {
  const { store } = withStore(t)
  const held = await store.mounts.acquire({ id: 'x', sharing: 'locked', mode: 'subid' })
  for (const sharing of ['locked', 'shared'] as const) {
    const signal = AbortSignal.timeout(30)
    await assert.rejects(store.mounts.acquire({ id: 'x', sharing, mode: 'subid', signal }), { name: 'TimeoutError' })
  }
  held.release()
  ;(await store.mounts.acquire({ id: 'x', sharing: 'locked', mode: 'subid' })).release()
})

test('only unused cache mounts are retired', async (t) => {
  const { store, lease } = withStore(t)
  const used = await store.mounts.acquire({ id: 'used', sharing: 'shared', mode: 'subid' })
  const idle = await store.mounts.acquire({ id: 'idle', sharing: 'shared', mode: 'subid' })
  for (const m of [used, idle]) mkdirSync(m.dir)
  idle.release()
  const trash: string[] = []
  store.mounts.retireIdle(() => {
    trash.push(lease.tempPath('trash'))
    return trash.at(-1)!
  })
  assert.equal(trash.length, 1)
  assert.ok(existsSync(used.dir) && !existsSync(idle.dir))
})
