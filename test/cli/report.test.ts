import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TsboxError } from '../../src/base/error.js'
import { errorText, sourceExcerpt } from '../../src/cli/report.js'
import { UsageError } from '../../src/cli/usage-error.js'
import { runCli } from './recorder.js'

const text = 'one\ntwo\nthree\r\nfour\nfive\nsix\n'

// BuildKit's layout: two neighbours around one line, one around many.
const excerpts: [what: string, at: Parameters<typeof sourceExcerpt>[0], expected: string[]][] = [
  [
    'a line',
    { file: 'f', line: 3, text },
    ['   1 |     one', '   2 |     two', '   3 | >>> three', '   4 |     four', '   5 |     five'],
  ],
  ['the first line', { file: 'f', line: 1, text }, ['   1 | >>> one', '   2 |     two', '   3 |     three']],
  [
    'lines',
    { file: 'f', line: 2, endLine: 4, text },
    ['   1 |     one', '   2 | >>> two', '   3 | >>> three', '   4 | >>> four', '   5 |     five'],
  ],
  ['the end', { file: 'f', line: 6, endLine: 99, text }, ['   5 |     five', '   6 | >>> six', '   7 | >>> ']],
]

for (const [what, at, expected] of excerpts) {
  test(`sourceExcerpt() shows ${what}`, () => {
    const rule = '-'.repeat(20)
    assert.equal(sourceExcerpt(at), [`f:${at.line}`, rule, ...expected, rule, ''].join('\n'))
  })
}

test('sourceExcerpt() names the place where the text is not known', () => {
  assert.equal(sourceExcerpt({ file: 'f', line: 3 }), 'f:3\n')
  assert.equal(sourceExcerpt({ file: 'f', line: 30, text }), 'f:30\n')
})

const call = {
  name: 'tsbox x',
  command: { synopsis: '[OPTIONS] Y', summary: '', arguments: [0, 0] as const, options: {}, run: async () => 0 },
  debug: false,
}

const texts: [what: string, err: unknown, debug: boolean, expected: RegExp][] = [
  [
    'an expected error with its cure and no stack',
    new TsboxError('E_X', 'do it: broken: "y"', { hint: 'mend it' }),
    false,
    /^ERROR: do it: broken: "y"\nhint: mend it\n$/,
  ],
  [
    'its causes with --debug',
    new TsboxError('E_X', 'do it', { cause: new Error('deep') }),
    true,
    /^ERROR: do it\n\n\[E_X\] TsboxError: do it\n[\s\S]*caused by: Error: deep\n/,
  ],
  ['a bug with its stack', new TypeError('oops'), false, /^BUG: .*report this\nTypeError: oops\n +at /],
  ['a thrown value', 'what', false, /^BUG: [\s\S]*thrown: what\n$/],
  [
    'a wrong command line with its usage',
    new UsageError('unknown flag: --z', { hint: 'did you mean --a?' }),
    false,
    /^tsbox: unknown flag: --z\ndid you mean --a\?\n\nUsage: {2}tsbox x \[OPTIONS\] Y\n\nRun 'tsbox x --help' for more information\n$/,
  ],
]

for (const [what, err, debug, expected] of texts) {
  test(`errorText() tells ${what}`, () => {
    assert.match(errorText(err, { ...call, debug }), expected)
  })
}

const unknown: [argv: string[], status: number, message: RegExp][] = [
  [['nope-nope'], 1, /^tsbox: unknown command: tsbox nope-nope\n\nRun 'tsbox --help'/],
  [['buidl'], 1, /did you mean tsbox build\?/],
  [['image', 'lss'], 1, /unknown command: tsbox image lss\ndid you mean tsbox image ls\?/],
  [['--what'], 125, /unknown flag: --what/],
  [['-H', 'tcp://x', 'ps'], 125, /cannot honour --host: there is no daemon/],
  [['images', '--what'], 125, /unknown flag: --what/],
  [['images', 'a', 'b'], 1, /'tsbox images' accepts at most 1 argument\n/],
  [['tag', 'a'], 1, /'tsbox tag' requires 2 arguments/],
  [['rmi'], 1, /'tsbox rmi' requires at least 1 argument/],
  [['doctor', 'x'], 1, /'tsbox doctor' accepts no arguments/],
  [['images', '--filter', 'x=y'], 1, /invalid filter 'x'/],
  [['images', '--format', '{{.Nope'], 64, /unclosed action/],
]

for (const [argv, status, message] of unknown) {
  test(`tsbox ${argv.join(' ')} exits with ${status}`, async () => {
    const outcome = await runCli(argv)
    assert.match(outcome.stderr, message)
    assert.equal(outcome.status, status)
    assert.equal(outcome.stdout, '')
  })
}

for (const argv of [
  [],
  ['help'],
  ['--help'],
  ['-h'],
  ['image'],
  ['image', '--help'],
  ['build', '--help'],
  ['help', 'build'],
]) {
  test(`tsbox ${argv.join(' ')} helps`, async () => {
    const { status, stdout, stderr } = await runCli(argv)
    assert.equal(status, 0)
    assert.equal(stderr, '')
    assert.match(stdout, /^Usage: {2}tsbox/)
    assert.doesNotMatch(stdout, /dockerfile|\[string\]|\[boolean\]|[ \t]$/m)
  })
}
