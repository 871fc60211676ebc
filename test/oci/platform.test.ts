import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPlatform, parsePlatform, platformMatches } from '../../src/oci/platform.js'

const host = { os: 'linux', architecture: 'amd64' }
const good: [string, string][] = [
  ['linux/amd64', 'linux/amd64'],
  ['linux/x86_64', 'linux/amd64'],
  ['linux/amd64/v1', 'linux/amd64'],
  ['linux/amd64/v3', 'linux/amd64/v3'],
  ['linux/aarch64', 'linux/arm64'],
  ['linux/arm64/v8', 'linux/arm64'],
  ['linux/arm64/8', 'linux/arm64'],
  ['linux/arm', 'linux/arm/v7'],
  ['linux/armhf', 'linux/arm/v7'],
  ['linux/armel', 'linux/arm/v6'],
  ['linux/arm/6', 'linux/arm/v6'],
  ['Linux/ARM64', 'linux/arm64'],
  ['macos/arm64', 'darwin/arm64'],
  ['arm64', 'linux/arm64'],
  ['linux', 'linux/amd64'],
  ['wasi', 'wasi/amd64'],
  ['wasi/wasm', 'wasi/wasm'],
]
for (const [text, canonical] of good)
  test(`parsePlatform() reads ${text}`, () => {
    assert.equal(formatPlatform(parsePlatform(text, host)), canonical)
  })

for (const text of ['', 'linux/', 'a/b/c/d', 'linux amd64', '/amd64'])
  test(`parsePlatform() refuses "${text}"`, () => {
    assert.throws(() => parsePlatform(text, host), { code: 'E_PLATFORM_INVALID' })
  })

test('platformMatches() compares normalised', () => {
  assert.ok(
    platformMatches({ os: 'linux', architecture: 'arm64', variant: 'v8' }, { os: 'linux', architecture: 'aarch64' }),
  )
  assert.ok(!platformMatches({ os: 'linux', architecture: 'arm64' }, host))
})
