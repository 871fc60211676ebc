import { test } from 'node:test'
import { parseMutations } from '../../helpers/parse-property.js'

test('a Dockerfile with slips of the hand is read or refused, never more', () => {
  parseMutations(4000, 20240611)
})
