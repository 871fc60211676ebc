import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type GitSource, parseGitUrl, splitCredentials } from '../../src/base/git-url.js'
import { redactRemote, remoteKind } from '../../src/base/url.js'

const kinds: [text: string, kind: 'http' | 'git' | undefined][] = [
  ['https://example.com/', 'http'],
  ['https://example.com/foo', 'http'],
  ['https://example.com/foo.git', 'git'],
  ['https://example.com/foo.git#main', 'git'],
  ['https://example.com/foo.git/', 'http'],
  ['https://example.com/foo.git.bar', 'http'],
  ['https://example.com/x?y=.git', 'http'],
  ['http://example.com/docker.git:#branch', 'http'],
  ['git://example.com/foo', 'git'],
  ['ssh://git@example.com:22/foo', 'git'],
  ['git@example.com:a/b', 'git'],
  ['custom.xyz/a/b.git', undefined],
  ['./.git', undefined],
  ['httpx://example.com/a.git', undefined],
]
for (const [text, kind] of kinds) test(`remoteKind(${text})`, () => assert.equal(remoteKind(text), kind))

const plain = { ref: '', subdir: '', checksum: '', keepGitDir: undefined, submodules: true }
const H = 'https://example.com/a/b.git'
const parsed: [text: string, expected: Partial<GitSource>][] = [
  [H, {}],
  [`${H}#deadbeef`, { ref: 'deadbeef' }],
  [`${H}#release/1.2:quux/quuz`, { ref: 'release/1.2', subdir: 'quux/quuz' }],
  [`${H}#:folder`, { subdir: 'folder' }],
  [`${H}#a%20b:c%3Ad`, { ref: 'a b', subdir: 'c:d' }],
  [`${H}?ref=v1&subdir=/s/./t/`, { ref: 'v1', subdir: 's/t' }],
  [`${H}?subdir=s#v1`, { ref: 'v1', subdir: 's' }],
  [`${H}?tag=v1`, { ref: 'refs/tags/v1' }],
  [`${H}?tag=refs/tags/v1`, { ref: 'refs/tags/v1' }],
  [`${H}?branch=v1`, { ref: 'refs/heads/v1' }],
  [`${H}?commit=DEADBEEF`, { ref: 'deadbeef', checksum: 'deadbeef' }],
  [`${H}?checksum=deadbeef#main`, { ref: 'main', checksum: 'deadbeef' }],
  [`${H}?submodules=false&keep-git-dir`, { submodules: false, keepGitDir: true }],
  [`${H}?submodules&keep-git-dir=0`, { submodules: true, keepGitDir: false }],
  ['git@example.com:a/b.git?subdir=/s#v1', { remote: 'git@example.com:a/b.git', ref: 'v1', subdir: 's' }],
  ['https://u:p@example.com/a.git#x', { remote: 'https://u:p@example.com/a.git', ref: 'x' }],
]
for (const [text, expected] of parsed)
  test(`parseGitUrl(${text})`, () => assert.deepEqual(parseGitUrl(text), { ...plain, remote: H, ...expected }))

const wrong: [text: string, message: RegExp][] = [
  [`${H}?ref=v1.0.0#v1.2.3`, /ref conflicts: "v1.2.3" vs "v1.0.0"/],
  [`${H}?ref=v1&tag=v2`, /ref conflicts/],
  [`${H}?tag=v1&branch=v1`, /branch conflicts with tag/],
  [`${H}?subdir=a#:b`, /subdir conflicts/],
  [`${H}?invalid=123`, /unexpected query "invalid"/],
  [`${H}?ref=`, /query "ref" has no value/],
  [`${H}?ref=a&ref=b`, /query "ref" has multiple values/],
  [`${H}?submodules=maybe`, /invalid submodules value: "maybe"/],
  [`${H}?commit=xyz`, /no id of a commit "xyz"/],
  [`${H}#:a/../../b`, /leaves the repository/],
  [`${H}#%zz`, /invalid URL escape/],
]
for (const [text, message] of wrong)
  test(`parseGitUrl(${text}) throws`, () => assert.throws(() => parseGitUrl(text), { code: 'E_GIT_URL', message }))

test('credentials are neither shown nor kept', () => {
  assert.throws(
    () => parseGitUrl('https://me:secret@example.com/a.git?x=1'),
    (err: Error) => !/secret/.test(err.message),
  )
  assert.equal(redactRemote('https://token@example.com/a.git#b'), 'https://xxxxx@example.com/a.git#b')
  assert.equal(redactRemote('https://u:p@example.com/a.git'), 'https://xxxxx:xxxxx@example.com/a.git')
  assert.equal(redactRemote('ssh://git:pw@example.com/a'), 'ssh://git:xxxxx@example.com/a')
  assert.equal(redactRemote('git@example.com:a'), 'git@example.com:a')
  assert.deepEqual(splitCredentials('https://u:p%40q@example.com/a.git'), {
    remote: 'https://example.com/a.git',
    user: 'u',
    password: 'p@q',
  })
})
