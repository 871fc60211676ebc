import { test } from 'node:test'
import { parseMutations } from '../helpers/parse-property.js'

test('100,000 Dockerfiles with slips of the hand are read or refused, never more', (t) => {
  const { seed, parsed } = parseMutations(100_000, Date.now() % 2 ** 31)
  t.diagnostic(`TSBOX_SEED=${seed}: ${parsed} parsed`)
})
