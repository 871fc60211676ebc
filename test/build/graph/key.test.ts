/** What makes a step run again, and what does not. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { hostWithBase } from '../../helpers/base-host.js'
import type { Files } from '../../helpers/memory-host.js'

const mounts: [what: string, mount: string, changed: Files, runs: number][] = [
  ['another file than the mounted one', 'source=a.txt,target=/m', { 'a.txt': 'a', 'd/x': 'x', new: 'n' }, 1],
  ['the mounted file', 'source=a.txt,target=/m', { 'a.txt': 'A', 'd/x': 'x' }, 2],
  ['a file of the mounted folder', 'source=d,target=/m', { 'a.txt': 'a', 'd/x': 'X' }, 2],
  ['a file beside the mounted folder', 'source=/d/,target=/m', { 'a.txt': 'A', 'd/x': 'x' }, 1],
  ['a name that a mounted name would match as a pattern', 'source=[d],target=/m', { '[d]/x': 'x', 'd/x': 'X' }, 1],
  ['a file of a mounted context', 'target=/m', { 'a.txt': 'A', 'd/x': 'x' }, 2],
]
for (const [what, mount, changed, runs] of mounts)
  test(`RUN --mount=type=bind,${mount}: ${what} changed`, async () => {
    const pattern = mount.includes('[d]')
    const host = await hostWithBase(pattern ? { '[d]/x': 'x', 'd/x': 'x' } : { 'a.txt': 'a', 'd/x': 'x' })
    const text = `FROM base\nRUN --mount=type=bind,${mount} cat\n`
    await host.build(text)
    host.contexts.set('', changed)
    await host.build(text)
    assert.equal(host.ran.length, runs)
  })

test('a step sees of a context what it mounts, and where it was', async () => {
  const host = await hostWithBase({ 'd/x': 'x', 'd/y': 'y', e: 'e' })
  const seen: string[] = []
  host.step = async (spec) => {
    for (const m of spec.mounts)
      if (m.type === 'bind') {
        const tree = await host.tree(m.source.layers)
        seen.push(`${m.path}: ${tree.readdir('')} ${tree.readdir('d')}`)
      }
    return {}
  }
  await host.build('FROM base\nRUN --mount=source=d/x,target=/m --mount=source=/,target=/n cat\n')
  assert.deepEqual(seen, ['/d/x: d x', '/: d,e x,y'])
})

test('a base with other labels and the same layers changes no step', async () => {
  const host = await hostWithBase()
  await host.build('FROM base\nRUN one\n')
  const base = host.images.get('base')!
  const config = { ...base.config, config: { ...base.config.config, Labels: { a: 'b' } } }
  host.images.set('base', { ...base, digest: 'sha256:other', config })
  const { configJson } = await host.build('FROM base\nRUN one\n')
  assert.deepEqual(host.ran, ['one'])
  assert.deepEqual(configJson.config?.Labels, { a: 'b' })
})

test('an owner by name is another one when passwd changes', async () => {
  const text =
    'FROM base AS s\nRUN make\nFROM base\nCOPY passwd /etc/passwd\nCOPY --from=s --chown=app /bin/sh /x\nUSER app\nWORKDIR /w\n'
  const host = await hostWithBase({ passwd: 'app:x:5:6::/:/bin/sh\n' })
  await host.build(text)
  host.contexts.set('', { passwd: 'app:x:7:8::/:/bin/sh\n' })
  const { paths } = await host.build(text)
  assert.ok(paths.includes('x 644 7:8') && paths.includes('w/ 755 7:8'), paths.join('\n'))
})
