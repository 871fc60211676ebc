import assert from 'node:assert/strict'
import test from 'node:test'
import { hostWithBase } from '../../helpers/base-host.js'

test('of two mounts without an image the first is the error, and none is left unheard', async () => {
  const host = await hostWithBase()
  const resolve = host.resolveImage.bind(host)
  host.resolveImage = async (reference) => {
    await new Promise(setImmediate)
    return resolve(reference)
  }
  const mount = (from: string) => `--mount=type=bind,from=${from},target=/${from}`
  await assert.rejects(host.build(`FROM base\nRUN ${mount('no1')} ${mount('no2')} x\n`), /no1/)
  // The runner reports a rejection that nobody handles as a failure of this test.
  for (let n = 0; n < 10; n++) await new Promise(setImmediate)
})
