/** The drawing of a build: what is on it, and that nothing of a Dockerfile is more than text in it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { drawGraph } from '../../src/cli/graph/draw.js'
import { placeGraph } from '../../src/cli/graph/layout.js'
import { durationText, escapeMarkup } from '../../src/cli/graph/markup.js'
import type { BuildGraph, BuildGraphNode } from '../../src/engine/api.js'
import { onPath, skip } from '../helpers/cli.js'
import { runCli } from './recorder.js'

const dir = mkdtempSync(join(tmpdir(), 'tsbox-graph-'))
after(() => rmSync(dir, { recursive: true }))

const node = (more: Partial<BuildGraphNode>): BuildGraphNode => {
  return { inputs: [], kind: 'run', stage: 'app', title: 'RUN x', source: 'RUN x', state: 'ran', ...more }
}

/** Two stages that run beside each other, and a third that takes from both. */
const GRAPH: BuildGraph = {
  file: 'Dockerfile',
  startedMs: 1000,
  endedMs: 4000,
  nodes: [
    node({ kind: 'image', stage: 'a', title: 'FROM base', state: 'cached', sizeBytes: 2_000_000 }),
    node({
      inputs: [0],
      base: 0,
      stage: 'a',
      title: 'RUN one',
      startedMs: 1000,
      endedMs: 3000,
      sizeBytes: 10,
      line: 2,
    }),
    node({ inputs: [0], base: 0, stage: 'b', title: 'RUN two', startedMs: 1000, endedMs: 2500 }),
    node({
      inputs: [0, 1, 2],
      base: 0,
      stage: 'c',
      title: 'COPY',
      kind: 'copy',
      state: 'failed',
      reasons: ['because of <it>'],
    }),
    node({ inputs: [3], base: 3, stage: 'c', title: 'RUN never', state: 'unneeded' }),
  ],
}

/** All that may not become markup, an address, or a character that XML lacks. */
const HOSTILE = `RUN echo "</title></text></pre><script>alert(1)</script>" ' & ]]> \u0000\u001b[31m\u202e\ud800 <img src=x onerror=alert(1)>`

const HOSTILE_GRAPH: BuildGraph = {
  ...GRAPH,
  file: HOSTILE,
  target: HOSTILE,
  nodes: GRAPH.nodes.map((n) => ({
    ...n,
    title: HOSTILE,
    source: `${HOSTILE}\n${HOSTILE}`,
    stage: HOSTILE,
    reasons: [HOSTILE],
  })),
}

test('stages that run at once stand beside each other, what needs them below, each stage in its frame', () => {
  const { nodes, stages, lines, width, height } = placeGraph(GRAPH)
  assert.equal(nodes[1]!.y, nodes[2]!.y)
  assert.notEqual(nodes[1]!.x, nodes[2]!.x)
  assert.ok(nodes[3]!.y > nodes[2]!.y && nodes[4]!.y > nodes[3]!.y)
  assert.deepEqual(
    stages.map((s) => s.name),
    ['a', 'b', 'c'],
  )
  assert.deepEqual(
    lines.map(({ from, to, base }) => [from, to, base]),
    [
      [0, 1, true],
      [0, 2, true],
      [0, 3, true],
      [1, 3, false],
      [2, 3, false],
      [3, 4, true],
    ],
  )
  const boxes = [...nodes, ...stages.map((s) => s.box)]
  for (const b of boxes) {
    assert.ok(b.x - b.width / 2 >= 0 && b.x + b.width / 2 <= width)
    assert.ok(b.y - b.height / 2 >= 0 && b.y + b.height / 2 <= height)
  }
  const overlap = (x: (typeof boxes)[0], y: (typeof boxes)[0]) =>
    Math.abs(x.x - y.x) < (x.width + y.width) / 2 && Math.abs(x.y - y.y) < (x.height + y.height) / 2
  nodes.forEach((x, i) => {
    for (const y of nodes.slice(i + 1)) assert.ok(!overlap(x, y))
  })
  stages.forEach((x, i) => {
    for (const y of stages.slice(i + 1)) assert.ok(!overlap(x.box, y.box))
  })
})

for (const kind of ['svg', 'html'] as const) {
  test(`${kind}: times, states and sizes are there`, () => {
    const text = drawGraph(GRAPH, kind)
    for (const part of [
      '2.0 s · ran · 10B',
      '1.5 s · ran',
      'in the store · 2MB',
      'not needed',
      'because of &lt;it&gt;',
    ])
      assert.ok(text.includes(part), part)
    assert.equal(text.match(/class="line takes"/g)?.length, 2)
  })

  test(`${kind}: what a Dockerfile says is text only`, (t) => {
    const text = drawGraph(HOSTILE_GRAPH, kind)
    assert.doesNotMatch(text, /<script|<img|onerror="|\]\]>|[\x00-\x08\x0b-\x1f\u202e]|\p{Cs}/u)
    assert.match(text, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/)
    // Nothing is loaded or followed but places in the page itself.
    for (const [, address] of text.matchAll(/\b(?:(?:href|action|src)=["']|url\()([^"')]*)/g))
      assert.match(address!, /^#/)
    if (kind === 'html')
      assert.match(text, /http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/)
    if (!onPath('python3')) return void skip(t, 'python3 is not installed: apt install python3')
    const file = join(dir, 'hostile.svg')
    writeFileSync(file, kind === 'svg' ? text : /<svg.*<\/svg>/s.exec(text)![0])
    const read = spawnSync('python3', [
      '-c',
      'import sys, xml.dom.minidom as d; print(len(d.parse(sys.argv[1]).getElementsByTagName("title")))',
      file,
    ])
    assert.equal(read.status, 0, read.stderr.toString())
    assert.equal(read.stdout.toString().trim(), String(GRAPH.nodes.length + 1), 'one title a step, one of the stage')
  })
}

test('durations and markup', () => {
  assert.deepEqual([0, 999, 1000, 59_949, 125_000].map(durationText), [
    '0 ms',
    '999 ms',
    '1.0 s',
    '59.9 s',
    '2 min 5 s',
  ])
  assert.equal(escapeMarkup(`<a href="x" b='y'>&`), '&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;')
})

test('--graph writes the file, also of a build that fails, and only what it can', async () => {
  const build: NonNullable<Parameters<typeof runCli>[1]>['build'] = async (request) => {
    request.onGraph?.(GRAPH)
    throw new Error('failed')
  }
  const failed = await runCli(['build', '--graph', 'out.svg', '.'], { build }, { cwd: dir })
  assert.equal(failed.status, 1)
  assert.match(readFileSync(join(dir, 'out.svg'), 'utf8'), /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<svg /)
  const wrong = await runCli(['build', '--graph', 'out.png', '.'], {}, { cwd: dir })
  assert.equal(wrong.status, 125)
  assert.match(wrong.stderr, /invalid argument "out\.png" for "--graph" flag: the name must end in \.svg or \.html/)
})
