import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { type ContainerMount, containerPlan, stubEntries } from '../../src/rootless/container-spec.js'
import { tempDir } from '../helpers/temp.js'

const BASE = ['proc', 'sys', 'dev', 'etc', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf']

test('stubEntries() makes directories and files as the mounts need them', (t) => {
  const dir = tempDir(t)
  mkdirSync(`${dir}/d`)
  writeFileSync(`${dir}/f`, '')
  const mounts: ContainerMount[] = [
    { op: 'bind', source: { path: `${dir}/d` }, target: '/data/x' },
    { op: 'bind', source: { path: dir }, sub: 'f', target: '/data/y' },
    { op: 'bind', source: { path: `${dir}/none` }, target: '/lost/x' },
    { op: 'bind', source: { tree: 0 }, target: '/tree/x' },
    { op: 'tmpfs', target: '/run/../tmp/./t' },
    { op: 'tmpfs', target: '/dev/x' },
    { op: 'file', target: '/etc/hosts', content: new Uint8Array(), mode: 0, uid: 0, gid: 0 },
  ]
  const entries = stubEntries(mounts).map((e) => (e.type === 'dir' ? `${e.path}/` : e.path))
  assert.deepEqual(entries.slice(BASE.length), ['data/', 'data/x/', 'data/y', 'lost/', 'tree/', 'tmp/', 'tmp/t/'])
})

test('stubEntries() never leads out of the stub', () => {
  const entries = stubEntries([{ op: 'tmpfs', target: '/../../../escape' }])
  assert.deepEqual(
    entries.map((e) => e.path),
    [...BASE, 'escape'],
  )
})

test('containerPlan() mounts what lies deeper later', () => {
  const plan = containerPlan({
    layers: ['/l'],
    stub: '/stub',
    mounts: [
      { op: 'tmpfs', target: '/a/b' },
      { op: 'tmpfs', target: '/a' },
    ],
    network: 'none',
    hostname: 'h',
  })
  const targets = plan.ops.flatMap((op) => (op.op === 'tmpfs' ? [op.target] : []))
  assert.deepEqual(targets, ['/a', '/a/b'])
  assert.equal(plan.network, 'own')
})
