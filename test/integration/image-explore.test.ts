/** `image explore` in a terminal, and for programs. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { sharedCli, writeContext } from '../helpers/cli.js'
import { requireProgram } from '../helpers/programs.js'
import { inTerminal } from '../helpers/terminal.js'

const cli = sharedCli()
before(() => {
  const context = writeContext(cli, {
    Dockerfile: 'FROM scratch\nCOPY a b /d/\nCOPY --chmod=4755 c /d/a\n',
    a: 'a'.repeat(1000),
    b: 'b',
    c: 'cc',
  })
  cli.build(context, ['-t', 'layers'])
})

test('without a terminal it lists each layer, and what is shipped for nothing', () => {
  const out = cli.ok(['image', 'explore', 'layers'])
  assert.match(out, /^2 layers, 1kB, 1kB wasted, efficiency 0%\n\nlayer 1 {2}1kB {2}sha256:\w+\n {2}COPY a b \/d\//)
  assert.match(out, /\n {2}\+ -rw-r--r-- 0:0 {12}1kB {6}a\n/)
  assert.match(out, /\n {2}~ -rwsr-xr-x 0:0 {13}2B {6}a\n/)
  assert.match(out, /replace or remove:\n +1kB {2}\/d\/a\n$/)
  assert.doesNotMatch(cli.ok(['image', 'explore', '--layer', '2', 'layers']), /layer 1/)
  const json = JSON.parse(cli.ok(['image', 'explore', '--format', 'json', 'layers']))
  assert.deepEqual(json.waste, [{ path: 'd/a', count: 2, bytes: 1000 }])
  assert.equal(cli.run(['image', 'explore', '--layer', '3', 'layers']).code, 125)
})

test('on a terminal keys move through it, and the terminal is restored', async (t) => {
  if (!requireProgram(t, 'python3')) return
  const { code, restored, left, output } = inTerminal(
    cli,
    ['image', 'explore', 'layers'],
    [
      ['wait', 'layer 2:'],
      ['send', '\x1b[A'],
      ['wait', 'layer 1:'],
      ['send', 'a\t'],
      ['wait', 'all files'],
      ['size', 60, 12],
      ['wait', 'quit'],
      ['send', 'q'],
    ],
  )
  assert.deepEqual([code, left], [0, []], output)
  assert.ok(restored)
  assert.ok(output.endsWith('\x1b[?25h\x1b[?1049l'))
})
