import { test } from 'node:test'
import { parseMutations } from '../helpers/parse-property.js'

test('100,000 Dockerfiles with slips of the hand are read or refused, never more', () =>
  parseMutations(100_000, Date.now() % 2 ** 31))
