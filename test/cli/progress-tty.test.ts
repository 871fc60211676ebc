import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProgressEvent } from '../../src/build/progress/event.js'
import { progressColours } from '../../src/cli/progress/colours.js'
import { openProgress } from '../../src/cli/progress/open.js'
import { TtyPrinter } from '../../src/cli/progress/tty.js'
import type { Shell } from '../../src/cli/shell.js'
import { textWidth } from '../../src/cli/text-width.js'
import { Screen } from '../helpers/screen.js'

const colours = progressColours({ NO_COLOR: '1' }).colours
const vertex = (id: number, name: string): ProgressEvent => ({ type: 'vertex', id, name, digest: `${id}`, inputs: [] })
const start = (id: number): ProgressEvent => ({ type: 'start', id, time: 0 })
const done = (id: number, time: number): ProgressEvent => ({ type: 'done', id, time, cached: false })
const log = (id: number, text: string): ProgressEvent => {
  return { type: 'log', id, time: 0, stream: 1, data: Buffer.from(text) }
}
const status = (id: number, time: number, current: number, total: number, done: boolean): ProgressEvent => {
  return { type: 'status', id, time, name: 'copying files', current, total, done }
}

function drawing(columns: number, rows: number, logLines?: number) {
  const screen = new Screen(columns, rows)
  const write = (text: string) => screen.write(text)
  const printer = new TtyPrinter(write, { size: () => screen, colours, logLines })
  return { screen, printer }
}

for (const columns of [8, 20, 40, 80, 200]) {
  test(`a drawing of ${columns} columns never wraps and can be drawn over`, () => {
    const { screen, printer } = drawing(columns, 24)
    for (const e of [vertex(1, '[1/2] FROM 日本語'), start(1), done(1, 50), vertex(2, `[2/2] RUN ${'é日'.repeat(60)}`)])
      printer.update(e)
    for (const e of [start(2), log(2, `${'x'.repeat(300)}\nCJK ${'日本'.repeat(80)}\n`), status(2, 0, 0, 10, false)])
      printer.update(e)
    for (let frame = 0; frame < 5; frame++) {
      printer.draw(100 + frame * 100, false)
      assert.ok(screen.cursorShown)
    }
    assert.equal(screen.lines.length, 6)
    for (const line of screen.lines) assert.ok(textWidth(line) < columns, line)
    printer.update(done(2, 900))
    printer.draw(1000, true)
    assert.equal(screen.lines.length, 4)
    assert.match(screen.lines[0]!, columns < 40 ? /^\[\+\]/ : /^\[\+\] Building 0\.9s \(2\/2\) FINISHED$/)
  })
}

test('a window that becomes narrower or wider leaves nothing of the frame before', () => {
  const { screen, printer } = drawing(100, 30)
  for (let id = 1; id <= 4; id++)
    for (const e of [vertex(id, `[${id}/4] RUN ${'step '.repeat(20)}`), start(id), log(id, `${'out '.repeat(40)}\n`)])
      printer.update(e)
  for (const [n, columns] of [100, 50, 33, 120, 60].entries()) {
    screen.resize(columns, 30)
    printer.draw(100 * (n + 1), false)
    assert.equal(screen.lines.length, 9, screen.lines.join('\n'))
    assert.equal(screen.lines.filter((l) => l.startsWith('[+]')).length, 1)
  }
})

test('where rows are few, done steps go, then output, then running steps are counted', () => {
  const { screen, printer } = drawing(60, 10)
  for (let id = 1; id <= 5; id++) for (const e of [vertex(id, `done ${id}`), start(id), done(id, 10)]) printer.update(e)
  for (let id = 6; id <= 8; id++)
    for (const e of [vertex(id, `running ${id}`), start(id), log(id, 'a\nb\nc\nd\ne\nf\ng\n')]) printer.update(e)
  printer.draw(100, false)
  const names = () => screen.visible.map((l) => /(done|running|more|#) ?\d*/.exec(l)?.[0]).filter(Boolean)
  assert.deepEqual(names(), ['running 6', '# 0', 'running 7', '# 0', 'running 8', '# 0'])
  screen.resize(60, 4)
  printer.draw(200, false)
  assert.deepEqual(
    screen.visible.filter((l) => l.includes('=>')).map((l) => l.replace(/ +0\.2s$/, '')),
    [' => running 6', ' => 2 more'],
  )
})

test('transfers show bytes and rate; the number of lines of output is the one asked for', () => {
  const { screen, printer } = drawing(80, 24, 2)
  for (const e of [vertex(1, 'COPY . .'), start(1), status(1, 0, 0, 20e6, false), status(1, 1900, 10e6, 20e6, false)])
    printer.update(e)
  printer.update(log(1, 'a\nb\nc\n'))
  printer.draw(2000, false)
  assert.match(screen.lines[2]!, /^ => => copying files 10\.00MB \/ 20\.00MB 5\.00MB\/s +2\.0s$/)
  assert.deepEqual(screen.lines.slice(3), [' => => # 0.000 b', ' => => # 0.000 c'])
  printer.update(status(1, 4000, 20e6, 20e6, true))
  printer.draw(4000, false)
  assert.match(screen.lines[2]!, /20\.00MB \/ 20\.00MB +4\.0s$/)
})

test('a frame that is as the one before is not written again', () => {
  const { screen, printer } = drawing(80, 24)
  for (const e of [vertex(1, 'a'), start(1), done(1, 10)]) printer.update(e)
  printer.draw(100, false)
  const { writes } = screen
  printer.draw(110, false)
  assert.equal(screen.writes, writes)
})

const colourCases: [env: Record<string, string>, key: 'run' | 'error' | 'cancel', painted: string][] = [
  [{}, 'run', '\x1b[34mx\x1b[39m'],
  [{ NO_COLOR: '1', BUILDKIT_COLORS: 'run=green' }, 'run', 'x'],
  [{ BUILDKIT_COLORS: 'RUN=Light-Cyan:error=255,0,0:cancel=default' }, 'run', '\x1b[96mx\x1b[39m'],
  [{ BUILDKIT_COLORS: 'RUN=Light-Cyan:error=255,0,0:cancel=default' }, 'error', '\x1b[38;5;196mx\x1b[39m'],
  [{ BUILDKIT_COLORS: 'RUN=Light-Cyan:error=255,0,0:cancel=default' }, 'cancel', '\x1b[39mx\x1b[39m'],
]
for (const [env, key, painted] of colourCases) {
  test(`progressColours() paints ${key} with ${JSON.stringify(env)}`, () => {
    assert.equal(progressColours(env).colours[key]('x'), painted)
  })
}

test('progressColours() tells what means nothing', () => {
  const { unknown } = progressColours({ BUILDKIT_COLORS: 'run=nocolour:walk=red:error=1,2:cancel=1,2,300:warning=red' })
  assert.deepEqual(unknown, ['run=nocolour', 'walk=red', 'error=1,2', 'cancel=1,2,300'])
})

for (const mode of ['plain', 'tty', 'quiet'] as const) {
  test(`progress in mode ${mode} makes room for others and goes on telling what failed`, async () => {
    let out = ''
    const write = (t: string) => {
      out += t
    }
    const stderr = { write, isTerminal: true, columns: () => 80, rows: () => 24 }
    const shell = { env: { NO_COLOR: '1' }, stderr, now: () => 5000 } as unknown as Shell
    const progress = await openProgress(mode, shell, false)
    for (const e of [vertex(1, 'RUN x'), start(1), log(1, 'words\n')]) progress.sink(e)
    progress.sink({ ...done(1, 5), error: 'bad' } as ProgressEvent)
    progress.suspend()
    assert.match(out, / > RUN x:\n0\.000 words\n/)
    const before = out
    progress.sink(log(1, 'late\n'))
    await new Promise((go) => setTimeout(go, 150))
    assert.equal(out, before)
    progress.end()
    assert.match(out.slice(before.length), / > RUN x:\n0\.000 words\n/)
    assert.doesNotMatch(out.slice(before.length), /\x1b/)
  })
}
