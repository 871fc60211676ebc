import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TsboxError } from '../../../src/base/error.js'
import { parseChmod } from '../../../src/build/dockerfile/chmod.js'
import { csvFields } from '../../../src/build/dockerfile/csv.js'
import { parseDevice } from '../../../src/build/dockerfile/device.js'
import { parseCheckOptions } from '../../../src/build/dockerfile/directive.js'
import { parseDuration } from '../../../src/build/dockerfile/duration.js'
import { quote } from '../../../src/build/dockerfile/go-text.js'
import { parsePort, parsePorts } from '../../../src/build/dockerfile/ports.js'
import { parseSignal } from '../../../src/build/dockerfile/signal.js'
import { parseSize } from '../../../src/build/dockerfile/size.js'
import { suggest } from '../../../src/build/dockerfile/suggest.js'

/** Fails unless `work` throws a Dockerfile's fault with this text. */
function refuses(work: () => unknown, message: RegExp): void {
  assert.throws(
    work,
    (err: unknown) => err instanceof TsboxError && err.code === 'E_DOCKERFILE' && message.test(err.message),
  )
}

const modes: [spec: string, before: number, isDir: boolean, after: number][] = [
  ['0755', 0o600, false, 0o755],
  ['7', 0o777, true, 0o007],
  ['4755', 0o644, false, 0o4755],
  ['u+x', 0o644, false, 0o744],
  ['+x', 0o644, false, 0o755],
  ['a-w', 0o666, false, 0o444],
  ['go-rwx', 0o777, true, 0o700],
  ['u=rwX,go=rX', 0o600, false, 0o644],
  ['u=rwX,go=rX', 0o600, true, 0o755],
  ['a+X', 0o611, false, 0o711],
  ['g=u', 0o640, false, 0o660],
  ['o=g-w', 0o664, false, 0o664 & ~0o2],
  ['u+s', 0o755, false, 0o4755],
  ['g+s', 0o755, true, 0o2755],
  ['ug+s', 0o755, false, 0o6755],
  ['+t', 0o777, true, 0o1777],
  ['a=r', 0o6777, false, 0o444],
  ['=', 0o777, false, 0],
  ['u=', 0o777, false, 0o077],
  ['u+r+w-x', 0o100, false, 0o600],
]
for (const [spec, before, isDir, after] of modes)
  test(`parseChmod() of ${spec} on ${before.toString(8)}${isDir ? ', a directory' : ''}`, () => {
    assert.equal(parseChmod(spec)(before, isDir).toString(8), after.toString(8))
  })

test('parseChmod() refuses what is neither octal nor symbolic', () => {
  for (const spec of ['', '8', '64a', '10000', '-1', 'x+r', 'u', 'u+q', 'u+x,', ',u+x', 'u=gr', '0o755'])
    refuses(() => parseChmod(spec), /^invalid chmod parameter: '.*'\. it should be octal string/)
})

const durations: [text: string, ns: number][] = [
  ['0', 0],
  ['0s', 0],
  ['5s', 5e9],
  ['1h30m', 5400e9],
  ['1.5s', 1.5e9],
  ['.5ms', 5e5],
  ['3us', 3000],
  ['3µs', 3000],
  ['7ns', 7],
  ['-2m', -120e9],
  ['+1s', 1e9],
]
for (const [text, ns] of durations)
  test(`parseDuration() of ${text}`, () => {
    assert.equal(parseDuration(text), ns)
  })

test('parseDuration() refuses what Go refuses', () => {
  refuses(() => parseDuration(''), /^time: invalid duration ""$/)
  refuses(() => parseDuration('5'), /^time: missing unit in duration "5"$/)
  refuses(() => parseDuration('5d'), /^time: unknown unit "d" in duration "5d"$/)
  refuses(() => parseDuration('.s'), /^time: invalid duration ".s"$/)
  refuses(() => parseDuration('s'), /^time: invalid duration "s"$/)
  refuses(() => parseDuration('3000000h'), /^time: invalid duration/)
})

const sizes: [text: string, bytes: number | undefined][] = [
  ['0', 0],
  ['64', 64],
  ['64b', 64],
  ['1k', 1024],
  ['1KB', 1024],
  ['1KiB', 1024],
  ['1.5m', 1572864],
  ['2 g', 2147483648],
  ['1t', 1099511627776],
  ['1p', 1125899906842624],
  ['', undefined],
  ['k', undefined],
  ['-1', undefined],
  ['1x', undefined],
  ['1kbb', undefined],
  ['1bi', undefined],
]
for (const [text, bytes] of sizes)
  test(`parseSize() of "${text}"`, () => {
    assert.equal(parseSize(text), bytes)
  })

test('parsePorts() spreads ranges and adds the protocol', () => {
  assert.deepEqual(parsePorts(['80', '443/TCP', '53/udp', '8000-8002', '9/sctp', '7-7/udp']), [
    ...['80/tcp', '443/tcp', '53/udp', '8000/tcp', '8001/tcp', '8002/tcp', '9/sctp', '7/udp'],
  ])
  assert.deepEqual(parsePorts(['127.0.0.1:80:8080', '[::1]:1-2:3-4', ':5', '1-3:9']), [
    ...['8080/tcp', '3/tcp', '4/tcp', '5/tcp', '9/tcp'],
  ])
  assert.deepEqual(
    [parsePort('80/Tcp').miscased, parsePort('80:80').mapped, parsePort('80').mapped],
    [true, true, false],
  )
})

test('parsePorts() refuses what is no port', () => {
  const bad: [word: string, message: RegExp][] = [
    ['', /no port specified/],
    ['/tcp', /no port specified/],
    ['80/http', /invalid proto: http/],
    ['65536', /invalid containerPort: 65536/],
    ['a', /invalid containerPort: a/],
    ['9-8', /invalid containerPort: 9-8/],
    ['1-', /invalid containerPort: 1-/],
    ['x:80', /invalid hostPort: x/],
    ['1-2:3-5', /invalid ranges specified/],
    ['300.0.0.1:1:1', /invalid IP address: 300\.0\.0\.1/],
    ['[::1:1:1', /invalid IP address/],
  ]
  for (const [word, message] of bad) refuses(() => parsePorts([word]), message)
})

test('parseSignal() knows names in any form', () => {
  for (const name of ['SIGTERM', 'TERM', 'sigterm', 'term', '15']) assert.equal(parseSignal(name), 15)
  assert.deepEqual(['KILL', 'WINCH', 'SYS', 'RTMIN', 'RTMIN+3', 'RTMAX-1', 'RTMAX'].map(parseSignal), [
    ...[9, 28, 31, 34, 37, 63, 64],
  ])
  for (const bad of ['', '0', 'SIGNOPE', 'RTMIN-1', 'RTMAX+1', 'RTMIN+40', '1x'])
    refuses(() => parseSignal(bad), /^invalid signal/)
  refuses(() => parseSignal('SIGTEMR'), /did you mean TERM\?/)
})

test('csvFields() reads quoted fields', () => {
  assert.deepEqual(csvFields('a,b=c,"d,e","f ""g""",', 'x'), ['a', 'b=c', 'd,e', 'f "g"', ''])
  refuses(() => csvFields('', 'read'), /^read: EOF$/)
  refuses(() => csvFields('a"b', 'read'), /bare " in non-quoted field/)
  refuses(() => csvFields('"a"b', 'read'), /extraneous or missing "/)
  refuses(() => csvFields('"a', 'read'), /extraneous or missing "/)
})

test('parseDevice() reads CDI names', () => {
  assert.deepEqual(parseDevice('vendor.com/class=name'), { name: 'vendor.com/class=name', required: false })
  assert.deepEqual(parseDevice('vendor.com/class=name,required'), { name: 'vendor.com/class=name', required: true })
  assert.deepEqual(parseDevice('name=any,required=false'), { name: 'any', required: false })
  refuses(() => parseDevice('required'), /the name is missing/)
  refuses(() => parseDevice('a,required=x'), /invalid value for required: x/)
})

test('parseCheckOptions() reads lists and switches', () => {
  const none = { skip: [], skipAll: false, experimental: [], experimentalAll: false, error: false }
  assert.deepEqual(parseCheckOptions(''), none)
  assert.deepEqual(parseCheckOptions(' skip=A, B ; error = true '), { ...none, skip: ['A', 'B'], error: true })
  assert.deepEqual(parseCheckOptions('experimental=all;skip=all'), { ...none, experimentalAll: true, skipAll: true })
  assert.deepEqual(parseCheckOptions('experimental=C'), { ...none, experimental: ['C'] })
})

test('suggest() finds what is at most two edits away', () => {
  assert.equal(suggest('FRO', ['from', 'arg'], true), 'FROM')
  assert.equal(suggest('coppy', ['copy', 'cmd']), 'copy')
  assert.equal(suggest('x', ['from']), undefined)
  assert.equal(suggest('from', ['from', 'form']), undefined)
  assert.equal(suggest('Copy', ['copy']), 'copy')
})

test('quote() writes what Go writes', () => {
  assert.equal(quote('a"b\\c\n\t\u0007\u0001é\u00a0😀\u200b'), '"a\\"b\\\\c\\n\\t\\a\\x01é\\u00a0😀\\u200b"')
})
