import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { dirAt, fileAt, runWasm } from './run.js'

const demo = join(process.env.TSBOX_REPO ?? '.', 'fixtures/demo')
const wasm = readFileSync(join(demo, 'chart/chart.wasm'))
const table = readFileSync(join(demo, 'data/rainfall.csv'))

test('the demo’s program, compiled from C, draws its chart in the working directory', () => {
  const ran = runWasm(wasm, [dirAt('work'), fileAt('work/rain.csv', table)], {
    args: ['/main.wasm', 'rain.csv', 'chart.svg', 'Rain & <more>'],
    cwd: '/work',
  })
  assert.deepEqual([ran.exitCode, ran.stdout, ran.stderr], [0, '12 bars, total 770, largest 83\n', ''])
  assert.deepEqual(ran.names, ['dir work', 'file work/chart.svg'])
  const svg = ran.changes[1]!.text!
  assert.match(svg, /^<svg .*Rain &amp; &lt;more>.*<\/svg>\n$/s)
  assert.equal(svg.match(/<rect /g)?.length, 12)
})

test('the demo’s program reports what it cannot open', () => {
  const ran = runWasm(wasm, [], { args: ['/main.wasm', '/missing.csv', '/out.svg'] })
  assert.deepEqual([ran.exitCode, ran.stderr], [1, 'chart: cannot open "/missing.csv": No such file or directory\n'])
  assert.deepEqual(ran.names, [])
})
