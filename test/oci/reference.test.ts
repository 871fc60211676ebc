import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isIdPrefix, parseNamed, parseReference } from '../../src/oci/reference.js'

const hex = 'a'.repeat(64)
const good: [input: string, canonical: string, familiar: string][] = [
  ['alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['alpine:3.20', 'docker.io/library/alpine:3.20', 'alpine:3.20'],
  ['library/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['docker.io/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['index.docker.io/library/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['me/app', 'docker.io/me/app:latest', 'me/app:latest'],
  ['me/group/app:1', 'docker.io/me/group/app:1', 'me/group/app:1'],
  ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
  ['localhost:5000/a/b:1', 'localhost:5000/a/b:1', 'localhost:5000/a/b:1'],
  ['host:5000/a', 'host:5000/a:latest', 'host:5000/a:latest'],
  ['ghcr.io/a/b', 'ghcr.io/a/b:latest', 'ghcr.io/a/b:latest'],
  ['[::1]:5000/a', '[::1]:5000/a:latest', '[::1]:5000/a:latest'],
  ['Foo/bar', 'Foo/bar:latest', 'Foo/bar:latest'],
  ['a_b/c.d-e__f:T-1._', 'docker.io/a_b/c.d-e__f:T-1._', 'a_b/c.d-e__f:T-1._'],
  [`alpine@sha256:${hex}`, `docker.io/library/alpine@sha256:${hex}`, `alpine@sha256:${hex}`],
  [`r.io/a:1@sha256:${hex}`, `r.io/a:1@sha256:${hex}`, `r.io/a:1@sha256:${hex}`],
]
for (const [input, canonical, familiar] of good)
  test(`parseReference() canonicalises ${input}`, () => {
    const reference = parseReference(input)
    assert.equal(reference.toString(), canonical)
    assert.equal(reference.familiar, familiar)
    assert.equal(parseReference(canonical).toString(), canonical)
  })

const bad = [
  '',
  ':1',
  'Alpine',
  'a//b',
  '/a',
  'a/',
  'a:',
  'a:-x',
  'a b',
  '../a',
  'a/../b',
  'a@sha256:12',
  'a@md5:12',
  '-a',
  'a_',
  'a___b',
  hex,
  `a:${'t'.repeat(129)}`,
  `a/${'x'.repeat(256)}`,
  'host:port/a',
  'http://a/b',
  'a%2Fb',
]
for (const input of bad)
  test(`parseReference() refuses ${JSON.stringify(input.slice(0, 40))}`, () => {
    assert.throws(() => parseReference(input), { code: 'E_REFERENCE_INVALID' })
  })

test('parseNamed() adds no tag', () => {
  assert.equal(parseNamed('alpine').tag, undefined)
})

test('isIdPrefix() knows cut ids', () => {
  assert.deepEqual(['abc', `sha256:${hex}`, 'sha256:', 'xyz', `${hex}a`].map(isIdPrefix), [
    true,
    true,
    false,
    false,
    false,
  ])
})
