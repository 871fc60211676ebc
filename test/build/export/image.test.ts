import assert from 'node:assert/strict'
import test from 'node:test'
import { hostWithBase } from '../../helpers/base-host.js'

test('a build that is ended while its layers are sealed tags nothing', async () => {
  const host = await hostWithBase()
  const controller = new AbortController()
  const { seal } = host
  host.seal = async (layer) => {
    controller.abort()
    return seal(layer)
  }
  let tagged = false
  host.tag = async () => {
    tagged = true
  }
  await assert.rejects(host.build('FROM base\nCOPY a.txt /\n', { signal: controller.signal }), { name: 'AbortError' })
  assert.ok(!tagged)
})
