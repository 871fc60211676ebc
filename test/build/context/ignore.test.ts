import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IgnoreMatcher, parseIgnoreFile } from '../../../src/build/context/ignore.js'
import { random } from '../../helpers/random.js'

const files: [text: string, patterns: string[]][] = [
  ['', []],
  ['\n\n', []],
  ['a\nb\n', ['a', 'b']],
  ['# comment\na', ['a']],
  ['  # no comment', ['# no comment']],
  ['  a  \t', ['a']],
  ['/a/b/', ['a/b']],
  ['//a', ['a']],
  ['./a/../b', ['b']],
  ['/', ['/']],
  ['!/a/', ['!a']],
  ['! a', ['!a']],
  ['!', ['!']],
  ['a\r\nb\r\n', ['a', 'b']],
  ['\ufeffa', ['a']],
  ['a b', ['a b']],
]
for (const [text, patterns] of files)
  test(`parseIgnoreFile() of ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseIgnoreFile(text), patterns)
  })

const matches: [patterns: string[], path: string, matched: boolean][] = [
  [['a'], 'a', true],
  [['a'], 'a/b/c', true],
  [['a'], 'b/a', false],
  [['*'], 'a', true],
  [['*'], 'a/b', true],
  [['*.md'], 'x.md', true],
  [['*.md'], 'd/x.md', false],
  [['**/*.md'], 'd/e/x.md', true],
  [['**/*.md'], 'x.md', true],
  [['*/*'], 'a', false],
  [['a/**'], 'a', false],
  [['a/**'], 'a/b', true],
  [['a/**/b'], 'a/b', true],
  [['a/**/b'], 'a/x/y/b', true],
  [['a/**/b'], 'a/x/y/bc', false],
  [['**'], 'a/b', true],
  [['**a'], 'x/ya', true],
  [['a?c'], 'abc', true],
  [['a?c'], 'a/c', false],
  [['[a-c]x'], 'bx', true],
  [['[^a-c]x'], 'bx', false],
  [['a\\*'], 'a*', true],
  [['a\\*'], 'ab', false],
  [['a+(b)'], 'a+(b)', true],
  [['a.b'], 'axb', false],
  [['*', '!a'], 'a', false],
  [['*', '!a'], 'b', true],
  [['*', '!a/b'], 'a/b', false],
  [['*', '!a/b'], 'a/c', true],
  [['!a', '*'], 'a', true],
  [['a', '!a/b', 'a/b/c'], 'a/b/c', true],
  [['a', '!a/b', 'a'], 'a/b', true],
  [['*.md', '!README*', 'README-secret.md'], 'README-secret.md', true],
  [['*.md', '!README*', 'README-secret.md'], 'README.md', false],
  [['a'], './a/', true],
  [['*'], '.', false],
  [['  a  ', ''], 'a', true],
]
for (const [patterns, path, matched] of matches)
  test(`IgnoreMatcher of ${JSON.stringify(patterns)} ${matched ? 'matches' : 'leaves'} ${path}`, () => {
    assert.equal(new IgnoreMatcher(patterns).matches(path), matched)
  })

test('IgnoreMatcher refuses patterns that are none', () => {
  for (const pattern of ['[a', 'a\\', '!', '[]', '[a-', 'a*[b'])
    assert.throws(() => new IgnoreMatcher([pattern]), { code: 'E_IGNORE_PATTERN' })
})

test('IgnoreMatcher prunes only where no exception could reach', () => {
  const cases: [patterns: string[], dir: string, skip: boolean][] = [
    [['node_modules'], 'node_modules', true],
    [['*', '!src'], 'node_modules', true],
    [['*', '!src/a'], 'src', false],
    [['*', '!**/keep'], 'node_modules', false],
    [['*', '!s*/a'], 'src', false],
    [['*', '!s*/a'], 'lib', true],
    [['a', '!a/b/c'], 'a/b', false],
    [['a', '!a/b/c'], 'a/x', true],
  ]
  for (const [patterns, dir, skip] of cases)
    assert.equal(new IgnoreMatcher(patterns).canSkipDir(dir), skip, `${patterns} ${dir}`)
})

// A walk hands each directory's state down; asking for each path anew must give the same, and pruning must lose nothing.
test('IgnoreMatcher walks as it matches', () => {
  const rng = random(7)
  const names = ['a', 'b', 'ab', 'x.md', 'c']
  const parts = [...names, '*', '**', '?', 'a*', '*.md', '[ab]']
  const path = () => Array.from({ length: 1 + rng.below(4) }, () => rng.pick(names)).join('/')
  const pattern = () =>
    (rng.below(3) === 0 ? '!' : '') + Array.from({ length: 1 + rng.below(3) }, () => rng.pick(parts)).join('/')
  for (let i = 0; i < 3000; i++) {
    const patterns = Array.from({ length: 1 + rng.below(4) }, pattern)
    const matcher = new IgnoreMatcher(patterns)
    const wanted = path()
    let state: readonly boolean[] | undefined
    let pruned = false
    let matched = false
    const segments = wanted.split('/')
    for (let n = 1; n <= segments.length; n++) {
      const at = segments.slice(0, n).join('/')
      const step = matcher.step(at, state)
      state = step.state
      matched = step.matched
      if (matched && n < segments.length && matcher.canSkipDir(at)) pruned = true
    }
    assert.equal(matched, matcher.matches(wanted), `${patterns} on ${wanted}`)
    if (pruned) assert.equal(matched, true, `${patterns} pruned ${wanted}`)
  }
})
