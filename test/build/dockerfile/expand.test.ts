import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { TsboxError } from '../../../src/base/error.js'
import { type ExpandOptions, expand, expandWord, expandWords } from '../../../src/build/dockerfile/shell-lex.js'

const ENV: Record<string, string> = {
  A: 'alpha',
  EMPTY: '',
  PATH: '/usr/local/bin:/usr/bin',
  FILE: '/srv/data/archive.tar.gz',
  STARS: 'a*b*c',
  SPACED: ' one  two ',
  QUOTED: 'it"s',
  LINES: 'a\nb\nc',
  한글: 'hangul',
}
const lookup = (name: string) => ENV[name]

const words: [word: string, text: string, options?: ExpandOptions][] = [
  ['plain', 'plain'],
  ['$A', 'alpha'],
  ['${A}', 'alpha'],
  ['x$A-y', 'xalpha-y'],
  ['$Ax', ''],
  ['$A$A', 'alphaalpha'],
  ['$', '$'],
  ['a$ b', 'a$ b'],
  ['$/', '$/'],
  ['$한글', 'hangul'],
  ['$1x', 'x'],
  ['$12x', 'x'],
  ['$@x', 'x'],
  ['$$A', 'A'],
  ["'$A'", '$A'],
  ['"$A"', 'alpha'],
  ['\\$A', '$A'],
  ['"\\$A"', '$A'],
  ["'\\$A'", '\\$A'],
  ['a\\nb', 'anb'],
  ['"a\\nb"', 'a\\nb'],
  ['a"b\'c"d', "ab'cd"],
  ['a\\', 'a'],
  ['`$A', '$A', { escape: '`' }],
  ['\\$A', '\\alpha', { escape: '`' }],
  ['"`"x`""', '"x"', { escape: '`' }],
  ['${A:-w}', 'alpha'],
  ['${U:-w}', 'w'],
  ['${U-w}', 'w'],
  ['${EMPTY:-w}', 'w'],
  ['${EMPTY-w}', ''],
  ['${A:+w}', 'w'],
  ['${EMPTY:+w}', ''],
  ['${EMPTY+w}', 'w'],
  ['${U+w}', ''],
  ['${U:-${A}}', 'alpha'],
  ['${U:-${V:-${A}}}', 'alpha'],
  ['${U:-"a}b"}', 'a}b'],
  ["${U:-'$A'}", '$A'],
  ['${U:-a\\}b}', 'a}b'],
  ['${A:?gone}', 'alpha'],
  ['${EMPTY?gone}', ''],
  ['${FILE#*/}', 'srv/data/archive.tar.gz'],
  ['${FILE##*/}', 'archive.tar.gz'],
  ['${FILE%.*}', '/srv/data/archive.tar'],
  ['${FILE%%.*}', '/srv/data/archive'],
  ['${FILE#/srv}', '/data/archive.tar.gz'],
  ['${FILE#nothing}', '/srv/data/archive.tar.gz'],
  ['${FILE%?gz}', '/srv/data/archive.tar'],
  ['${A#?}', 'lpha'],
  ['${A##*}', ''],
  ['${A#}', 'alpha'],
  ['${A%%}', 'alpha'],
  ['${STARS#a\\*}', 'b*c'],
  ['${STARS%%\\**}', 'a'],
  ['${STARS%\\**}', 'a*b'],
  ['${U#x}', ''],
  ['${A/a/X}', 'Xlpha'],
  ['${A//a/X}', 'XlphX'],
  ['${A/l*a/X}', 'aX'],
  ['${A//?/x}', 'xxxxx'],
  ['${A//*/x}', 'x'],
  ['${A/z/X}', 'alpha'],
  ['${A/a/}', 'lpha'],
  ['${PATH//:/ }', '/usr/local/bin /usr/bin'],
  ['${PATH//\\//_}', '_usr_local_bin:_usr_bin'],
  ['${STARS//\\*/+}', 'a+b+c'],
  ['${A/${A}/b}', 'b'],
  ['${A/a/$EMPTY}', 'lpha'],
  ['${LINES#*b}', 'a\nb\nc'],
  ['x << y', 'x << y'],
  ['$U', '$U', { keepUnset: true }],
  ['${U:-w}', '${U:-w}', { keepUnset: true }],
  ['${U/a/b}', '${U/a/b}', { keepUnset: true }],
  ['"a"\'b\'', '"a"\'b\'', { rawQuotes: true }],
  ['a\\b', 'a\\b', { rawEscapes: true }],
  ['"$A" \'$A\'', '"alpha" \'alpha\'', { ignoreQuotes: true }],
]
for (const [word, text, options] of words)
  test(`expandWord() of ${JSON.stringify(word)} ${options ? JSON.stringify(options) : ''}`, () => {
    assert.equal(expandWord(word, lookup, options), text)
  })

const failures: [word: string, message: RegExp][] = [
  ['${}', /^failed to process "\$\{\}": syntax error: bad substitution$/],
  ['${:-x}', /bad substitution/],
  ['${{A}}', /bad substitution/],
  ['${A', /missing '\}'/],
  ['${', /missing '\}'/],
  ['${A:-x', /missing '\}'/],
  ['${A/x}', /missing '\/' in \$\{\}/],
  ['${A/x/y', /missing '\}'/],
  ['${A:}', /unsupported modifier|missing '\}'/],
  ['${A:x}', /unsupported modifier \(:x\) in substitution/],
  ['${A=x}', /unsupported modifier \(=\) in substitution/],
  ['${A.}', /unsupported modifier \(\.\) in substitution/],
  ['${U?}', /U: is not allowed to be unset/],
  ['${EMPTY:?}', /EMPTY: is not allowed to be empty/],
  ['${U:?set it}', /U: set it/],
  ['"open', /looking for matching double-quote/],
  ["'open", /looking for matching single-quote/],
  ['"x\\"', /looking for matching double-quote/],
  ['${A#\\x}', /invalid pattern \(\\x\) in substitution: invalid escape '\\x'/],
  ['${A:-'.repeat(500), /nested deeper|missing/],
]
for (const [word, message] of failures)
  test(`expandWord() refuses ${JSON.stringify(word).slice(0, 40)}`, () => {
    assert.throws(
      () => expandWord(word, lookup),
      (err: unknown) => err instanceof TsboxError && err.code === 'E_DOCKERFILE' && message.test(err.message),
    )
  })

const lists: [word: string, words: string[]][] = [
  ['a b', ['a', 'b']],
  ['  a\t\nb ', ['a', 'b']],
  ['$SPACED', ['one', 'two']],
  ['x${SPACED}y', ['x', 'one', 'two', 'y']],
  ['"$SPACED"', [' one  two ']],
  ['a\\ b', ['a b']],
  ['"a b"c', ['a bc']],
  ['$U', []],
  ['""', []],
  ['80 ${U:-443/tcp 53/udp}', ['80', '443/tcp', '53/udp']],
  ['a <<  b', ['a', '<<  b']],
]
for (const [word, list] of lists)
  test(`expandWords() of ${JSON.stringify(word)}`, () => {
    assert.deepEqual(expandWords(word, lookup), list)
  })

test('expand() tells which variables were there and which were not', () => {
  const { matched, unmatched } = expand("$A ${U:-$V} '$W' ${EMPTY}", lookup)
  assert.deepEqual([...matched].sort(), ['A', 'EMPTY'])
  assert.deepEqual([...unmatched].sort(), ['U', 'V'])
})

// The forms that POSIX has mean the same to sh, in double quotes, where sh splits nothing.
test('expandWord() agrees with sh', () => {
  const values = ['', 'a', 'abc', '/a/b.c.d', 'x*y?z']
  const patterns = ['a', '*', '?', '*b', 'b*', '*.', '/*', '*/']
  const forms = ['$V', '${V}', 'x${V}y']
  for (const m of [':-', '-', ':+', '+']) forms.push(`\${V${m}w}`, `\${U${m}w}`, `\${V${m}\${W}}`)
  for (const m of ['#', '##', '%', '%%']) for (const p of patterns) forms.push(`\${V${m}${p}}`)
  const cases = values.flatMap((V) => forms.map((form) => ({ V, form })))
  const script = cases.map(({ V, form }) => `V='${V}' W=other; unset U; printf '%s\\0' "${form}"`).join('\n')
  const sh = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
  assert.equal(sh.status, 0, sh.stderr)
  const answers = sh.stdout.split('\0')
  for (const [i, { V, form }] of cases.entries())
    assert.equal(
      expandWord(`"${form}"`, (n) => ({ V, W: 'other' })[n]),
      answers[i],
      `V=${V} ${form}`,
    )
})
